#include "support/child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace ssi::test {

namespace {

void Redirect(const std::string& path, int fd, int flags) {
  if (!path.empty()) {
    int file = ::open(path.c_str(), flags, 0644);
    if (file < 0 || ::dup2(file, fd) < 0) {
      ::_exit(120);
    }
    ::close(file);
  }
}

[[noreturn]] void RunChild(const Spawn& spawn,
                           const std::vector<char*>& arguments) {
  if (spawn.new_session) {
    ::setsid();
  }
  if (::chdir(spawn.folder.c_str()) != 0) {
    ::_exit(121);
  }
  Redirect(spawn.in, 0, O_RDONLY);
  Redirect(spawn.out, 1, O_WRONLY | O_CREAT | O_TRUNC);
  Redirect(spawn.err, 2, O_WRONLY | O_CREAT | O_TRUNC);
  if (!spawn.cpus.empty()) {
    KeepTo(spawn.cpus);
  }
  for (const auto& [name, value] : spawn.environment) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  ::execvp(arguments[0], arguments.data());
  ::_exit(errno == ENOENT ? 127 : 126);
}

std::string StatText(pid_t pid) {
  return ReadAllOf("/proc/" + std::to_string(pid) + "/stat");
}

}  // namespace

void KeepTo(const std::vector<unsigned>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (unsigned cpu : cpus) {
    CPU_SET(cpu, &set);
  }
  ::sched_setaffinity(0, sizeof set, &set);
}

Child::Child(const Spawn& spawn) {
  std::vector<char*> arguments;
  for (const auto& argument : spawn.command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  (void)std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    RunChild(spawn, arguments);
  }
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}

Child::~Child() {
  if (pid_ > 0 && !status_) {
    ::kill(pid_, SIGKILL);
    ::kill(pid_, SIGCONT);
    ::waitpid(pid_, nullptr, 0);
  }
}

std::optional<int> Child::Wait(std::chrono::milliseconds limit) {
  (void)Eventually([this] { return !Runs(); }, limit);
  return status_;
}

bool Child::Runs() {
  if (status_) {
    return false;
  }
  int status = 0;
  rusage usage{};
  if (::wait4(pid_, &status, WNOHANG, &usage) == pid_) {
    status_ = status;
    auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) +
             static_cast<double>(time.tv_usec) / 1e6;
    };
    cpu_seconds_ = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    return false;
  }
  return true;
}

void Child::Kill(int signal) const {
  if (!status_) {
    ::kill(pid_, signal);
  }
}

std::string Describe(const std::optional<int>& wait_status) {
  if (!wait_status) {
    return "still running";
  }
  return WIFSIGNALED(*wait_status)
             ? "signal " + std::to_string(WTERMSIG(*wait_status))
             : "exit " + std::to_string(WEXITSTATUS(*wait_status));
}

Output RunToEnd(Spawn spawn, std::chrono::milliseconds limit) {
  TemporaryFolder folder;
  if (spawn.out.empty()) {
    spawn.out = folder.path() + "/out";
  }
  if (spawn.err.empty()) {
    spawn.err = folder.path() + "/err";
  }
  Child child(spawn);
  Output output;
  output.status = child.Wait(limit);
  output.out = ReadAllOf(spawn.out);
  output.err = ReadAllOf(spawn.err);
  return output;
}

std::string ReadAllOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TemporaryFolder::TemporaryFolder() {
  std::string name = TemporaryName("ssi-test");
  path_ = ::mkdtemp(name.data()) == nullptr ? "" : name;
}

TemporaryFolder::~TemporaryFolder() {
  // A failed REQUIRE unwinds: what it leaves is for whoever looks.
  if (std::uncaught_exceptions() == 0) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  } else {
    (void)std::fprintf(stderr, "kept for you: %s\n", path_.c_str());
  }
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::string number = std::to_string(pid);
  std::istringstream stream(
      ReadAllOf("/proc/" + number + "/task/" + number + "/children"));
  for (pid_t child = 0; stream >> child;) {
    children.push_back(child);
  }
  return children;
}

std::vector<pid_t> DescendantsOf(pid_t pid) {
  std::vector<pid_t> found = ChildrenOf(pid);
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto more = ChildrenOf(found[i]);
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

std::string NameOf(pid_t pid) {
  std::string name = ReadAllOf("/proc/" + std::to_string(pid) + "/comm");
  return name.empty() ? name : name.substr(0, name.size() - 1);
}

unsigned long UserTicks(pid_t pid) {
  std::string stat = StatText(pid);
  auto end = stat.rfind(')');
  unsigned long user = 0;
  if (end == std::string::npos ||
      std::sscanf(stat.c_str() + end + 2,
                  "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu",
                  &user) != 1) {
    return 0;
  }
  return user;
}

char StateOf(pid_t pid) {
  std::string stat = StatText(pid);
  auto end = stat.rfind(')');
  return end == std::string::npos ? '-' : stat[end + 2];
}

void PauseBriefly() {
  timespec pause{0, 5'000'000};
  ::nanosleep(&pause, nullptr);
}

}  // namespace ssi::test
