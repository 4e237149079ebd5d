// Says what it sees of the machine, by raw calls alone: names, directories,
// mounts, name spaces. Away it must print what it prints at home, and nothing
// of the other node. Arguments: SECONDS, then directories to list (default
// /home /var/tmp /tmp); keep them quiet while two runs are compared.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <set>
#include <string>
#include <vector>

#include "guest.h"

namespace {

std::vector<std::string> directories = {"/home", "/var/tmp", "/tmp"};

std::string Failure() {
  return std::string("(") + strerrorname_np(errno) + ")";
}

std::string Text(const char* path) {
  const long fd = syscall(SYS_open, path, O_RDONLY, 0);
  if (fd < 0) {
    return Failure();
  }
  std::string text;
  char bytes[4096];
  for (long got = 0; (got = syscall(SYS_read, fd, bytes, sizeof bytes)) > 0;) {
    text.append(bytes, static_cast<std::size_t>(got));
  }
  syscall(SYS_close, fd);
  return text;
}

std::string Link(const std::string& path) {
  char target[4096];
  const long size = syscall(SYS_readlink, path.c_str(), target, sizeof target);
  return size < 0 ? Failure()
                  : std::string(target, static_cast<std::size_t>(size));
}

// The names in a directory, in order, with what they are.
std::string List(const std::string& path) {
  struct Entry {  // linux_dirent64
    std::uint64_t inode;
    std::int64_t next;
    unsigned short size;
    unsigned char type;
    char name[1];
  };
  const long fd = syscall(SYS_open, path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) {
    return Failure() + "\n";
  }
  std::set<std::string> names;
  static unsigned char buffer[32768];
  for (long got = 0;
       (got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      struct stat status {};
      const bool known = syscall(SYS_newfstatat, fd, entry->name, &status,
                                 AT_SYMLINK_NOFOLLOW) == 0;
      names.insert(std::string("  ") + entry->name + " " +
                   std::to_string(known ? status.st_ino : 0) + " " +
                   std::to_string(known ? status.st_uid : 0));
      at += entry->size;
    }
  }
  syscall(SYS_close, fd);
  std::string list;
  for (const std::string& name : names) {
    list += name + "\n";
  }
  return list;
}

std::string View() {
  std::string view;
  utsname name{};
  SSI_OK(syscall(SYS_uname, &name));
  view += std::string("uname ") + name.sysname + " " + name.nodename + " " +
          name.release + " " + name.version + " " + name.domainname + "\n";
  for (const char* path :
       {"/etc/hostname", "/etc/machine-id", "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/domainname", "/proc/sys/kernel/random/boot_id",
        "/proc/version", "/proc/1/comm", "/proc/self/cgroup",
        "/proc/self/uid_map", "/proc/self/mounts", "/proc/net/dev_snmp6",
        "/proc/sys/net/ipv4/ip_forward"}) {
    view += std::string(path) + " " + Text(path) + "\n";
  }
  for (const char* kind : {"cgroup", "ipc", "mnt", "net", "pid", "time", "user",
                           "uts", "pid_for_children"}) {
    view += Link(std::string("/proc/self/ns/") + kind) + "\n";
  }
  for (const char* path : {"/", "/tmp", "/dev", "/proc"}) {
    struct statfs system {};
    struct stat status {};
    SSI_OK(syscall(SYS_statfs, path, &system));
    SSI_OK(syscall(SYS_stat, path, &status));
    view += std::string(path) + " " + std::to_string(system.f_type) + " " +
            std::to_string(status.st_dev) + " " +
            std::to_string(status.st_ino) + "\n";
  }
  for (const std::string& path : directories) {
    view += path + "\n" + List(path);
    // By a way round, for a runtime that looks at paths.
    SSI_TRUE(List("/proc/self/root" + path) == List(path));
    SSI_TRUE(List("/proc/self/cwd/../../../../../../../.." + path) ==
             List(path));
  }
  return view;
}

void Same() {
  static const std::string first = View();
  if (guest::first_round) {
    fputs(first.c_str(), stdout);
  }
  guest::Compute(5);
  SSI_TRUE(View() == first);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2) {
    directories.assign(argv + 2, argv + argc);
  }
  return guest::Run(guest::Seconds(argc, argv), {{"same", Same}});
}
