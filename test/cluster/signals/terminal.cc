#include "cluster/signals/terminal.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "support/child.h"

namespace ssi::test {

namespace {

[[noreturn]] void RunLeader(
    const std::vector<char*>& arguments,
    const std::map<std::string, std::string>& environment,
    const std::string& folder) {
  // What a shell keeps (its history) goes with the folder.
  ::setenv("HOME", folder.c_str(), 1);
  ::setenv("HISTFILE", (folder + "/history").c_str(), 1);
  for (const auto& [name, value] : environment) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  if (::chdir(folder.c_str()) != 0) {
    ::_exit(121);
  }
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

// Those whose session is `session`, by /proc.
std::vector<pid_t> MembersOf(pid_t session) {
  std::vector<pid_t> members;
  for (pid_t pid : DescendantsOf(::getpid())) {
    if (::getsid(pid) == session) {
      members.push_back(pid);
    }
  }
  return members;
}

}  // namespace

Terminal::Terminal(const std::vector<std::string>& command,
                   const std::map<std::string, std::string>& environment,
                   const std::string& folder) {
  std::vector<char*> arguments;
  for (const auto& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  winsize size{24, 80, 0, 0};
  pid_ = ::forkpty(&master_, nullptr, nullptr, &size);
  if (pid_ == 0) {
    RunLeader(arguments, environment, folder);
  }
}

Terminal::~Terminal() {
  auto members = MembersOf(pid_);
  HangUp();
  for (pid_t pid : members) {
    ::kill(pid, SIGKILL);
  }
  (void)Wait(std::chrono::seconds(10));
}

void Terminal::HangUp() {
  if (master_ >= 0) {
    ::close(master_);
    master_ = -1;
  }
}

void Terminal::Type(const std::string& keys) const {
  (void)!::write(master_, keys.data(), keys.size());
}

void Terminal::ReadSome(int timeout_ms) {
  pollfd ready{master_, POLLIN, 0};
  if (::poll(&ready, 1, timeout_ms) <= 0) {
    return;
  }
  char bytes[4096];
  ssize_t n = ::read(master_, bytes, sizeof bytes);
  if (n > 0) {
    printed_.append(bytes, static_cast<std::size_t>(n));
  } else {
    PauseBriefly();  // EIO: everybody has closed it
  }
}

bool Terminal::Await(const std::string& text, std::chrono::milliseconds limit) {
  auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto at = printed_.find(text, found_);
    if (at != std::string::npos) {
      found_ = at + text.size();
      return true;
    }
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    ReadSome(50);
  }
}

void Terminal::Resize(unsigned short rows, unsigned short columns) const {
  winsize size{rows, columns, 0, 0};
  ::ioctl(master_, TIOCSWINSZ, &size);
}

pid_t Terminal::Foreground() const {
  return ::tcgetpgrp(master_);
}

std::optional<int> Terminal::Wait(std::chrono::milliseconds limit) {
  (void)Eventually(
      [this] {
        int status = 0;
        if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
          status_ = status;
        }
        if (master_ >= 0) {
          ReadSome(0);
        }
        return status_.has_value();
      },
      limit);
  return status_;
}

}  // namespace ssi::test
