// What the program is told about itself at its start, and what /proc says of
// it: arguments, environment, names, descriptors. Arguments: SECONDS, then
// anything.
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <set>
#include <string>

#include "guest.h"

namespace {

int arg_count = 0;
char** arguments = nullptr;

std::string ReadFile(const std::string& path) {
  std::string text(1 << 18, '\0');
  const int fd = SSI_OK(open(path.c_str(), O_RDONLY));
  std::size_t size = 0;
  for (long got = 0;
       (got = read(fd, text.data() + size, text.size() - size)) > 0;) {
    size += static_cast<std::size_t>(got);
  }
  SSI_OK(close(fd));
  text.resize(size);
  return text;
}

std::string ReadLink(const std::string& path) {
  char target[4096];
  const long size = readlink(path.c_str(), target, sizeof target);
  SSI_TRUE(size > 0);
  return {target, static_cast<std::size_t>(size)};
}

std::string Own(const char* name) {
  return "/proc/" + std::to_string(getpid()) + "/" + name;
}

void Arguments() {
  std::string line;
  for (int i = 0; i < arg_count; ++i) {
    line += arguments[i] + std::string(1, '\0');
  }
  SSI_TRUE(ReadFile("/proc/self/cmdline") == line);
  SSI_TRUE(ReadFile(Own("cmdline")) == line);
  SSI_TRUE(arguments[arg_count] == nullptr);
}

void Environment() {
  static const std::string first = [] {
    std::string all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      all += *entry + std::string(1, '\0');
    }
    return all;
  }();
  SSI_TRUE(ReadFile("/proc/self/environ") == first);
  SSI_OK(setenv("GUEST_VARIABLE", "value", 1));  // in our memory alone
  guest::Compute(2);
  SSI_EQ(strcmp(getenv("GUEST_VARIABLE"), "value"), 0);
  SSI_TRUE(ReadFile("/proc/self/environ") == first);
  SSI_OK(unsetenv("GUEST_VARIABLE"));
}

void Names() {
  static const std::string exe = ReadLink("/proc/self/exe");
  SSI_TRUE(ReadLink("/proc/self/exe") == exe);
  SSI_TRUE(ReadLink(Own("exe")) == exe);
  const std::string base = exe.substr(exe.rfind('/') + 1);
  const std::string comm = base.substr(0, 15);
  SSI_TRUE(ReadFile("/proc/self/comm") == comm + "\n");
  char name[16] = {};
  SSI_OK(prctl(PR_GET_NAME, name));
  SSI_TRUE(comm == name);
  SSI_TRUE(program_invocation_short_name == base);
  // Field 3, the state, may be another where the process is only stood in for.
  const std::string line = ReadFile("/proc/self/stat");
  const std::string before = std::to_string(getpid()) + " (" + comm + ") ";
  const std::string after = " " + std::to_string(getppid()) + " " +
                            std::to_string(getpgrp()) + " " +
                            std::to_string(getsid(0)) + " ";
  SSI_EQ(line.compare(0, before.size(), before), 0);
  SSI_EQ(line.compare(before.size() + 1, after.size(), after), 0);
  struct stat by_link {};
  struct stat by_name {};
  SSI_OK(stat("/proc/self/exe", &by_link));
  SSI_OK(stat(exe.c_str(), &by_name));
  SSI_EQ(by_link.st_ino, by_name.st_ino);
}

std::set<int> Descriptors(const std::string& path) {
  std::set<int> found;
  DIR* dir = opendir(path.c_str());
  SSI_TRUE(dir != nullptr);
  const int own = dirfd(dir);
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != own) {
      found.insert(atoi(entry->d_name));
    }
  }
  SSI_OK(closedir(dir));
  return found;
}

void OpenDescriptors() {
  // Exactly these: whatever the program runs under leaves nothing open in it.
  const std::set<int> first = {0, 1, 2};
  SSI_TRUE(Descriptors("/proc/self/fd") == first);
  const int fd = SSI_OK(open("file", O_RDWR | O_CREAT | O_APPEND, 0600));
  SSI_EQ(write(fd, "0123456789", 10), 10);
  std::set<int> now = first;
  now.insert(fd);
  SSI_TRUE(Descriptors("/proc/self/fd") == now);
  SSI_TRUE(Descriptors("/proc/self/fdinfo") == now);
  SSI_TRUE(Descriptors("/dev/fd") == now);
  const std::string number = std::to_string(fd);
  SSI_TRUE(ReadLink("/proc/self/fd/" + number) ==
           ReadLink("/proc/self/cwd") + "/file");
  const std::string info = ReadFile("/proc/self/fdinfo/" + number);
  SSI_TRUE(info.find("pos:\t10\n") == 0);
  SSI_TRUE(info.find("flags:\t0102002\n") != std::string::npos);
  // Opened again through its number: the same file, a position of its own.
  const int again = SSI_OK(open(("/dev/fd/" + number).c_str(), O_RDONLY));
  char text[16] = {};
  SSI_EQ(read(again, text, sizeof text), 10);
  SSI_EQ(memcmp(text, "0123456789", 10), 0);
  SSI_OK(close(again));
  SSI_OK(unlink("file"));
  SSI_TRUE(ReadLink("/proc/self/fd/" + number) ==
           ReadLink("/proc/self/cwd") + "/file (deleted)");
  SSI_OK(close(fd));
  SSI_TRUE(Descriptors("/proc/self/fd") == first);
}

void Directories() {
  char cwd[4096];
  SSI_TRUE(syscall(SYS_getcwd, cwd, sizeof cwd) > 0);
  SSI_TRUE(ReadLink("/proc/self/cwd") == cwd);
  SSI_TRUE(ReadLink(Own("cwd")) == cwd);
  SSI_TRUE(ReadLink("/proc/self/root") == "/");
  SSI_TRUE(ReadLink("/proc/thread-self") ==
           std::to_string(getpid()) + "/task/" + std::to_string(getpid()));
  const std::set<int> threads = Descriptors("/proc/self/task");
  SSI_TRUE(threads == std::set<int>{getpid()});
}

}  // namespace

int main(int argc, char** argv) {
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));  // what the shell left open
  arg_count = argc;
  arguments = argv;
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"arguments", Arguments},
                                {"environment", Environment},
                                {"names", Names},
                                {"open descriptors", OpenDescriptors},
                                {"directories", Directories}});
}
