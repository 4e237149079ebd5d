// Makes the calls of hostile_calls.h: the structures they point to, the state
// they find, which is the same before each of them, and how a result reads.
#ifndef SSI_TEST_GUESTS_HOSTILE_TABLE_H_
#define SSI_TEST_GUESTS_HOSTILE_TABLE_H_

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "guest.h"
#include "hostile_calls.h"

namespace hostile {

constexpr std::size_t kPage = 4096;

// What the structures and the descriptors are, for all calls.
class State {
 public:
  State() {
    file_ = SSI_OK(open("file", O_RDWR | O_CREAT, 0600));
    int ends[2];
    SSI_OK(pipe2(ends, O_NONBLOCK));
    reader_ = ends[0];
    writer_ = ends[1];
    directory_ = SSI_OK(open(".", O_RDONLY | O_DIRECTORY));
    const int master = SSI_OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    int locked = 0;
    SSI_OK(ioctl(master, TIOCSPTLCK, &locked));
    terminal_ = SSI_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    first_free_ = terminal_ + 1;
    SSI_TRUE(file_ < 20);
    Prepare();
    struct sigaction action {};
    action.sa_handler = [](int) {
    };
    SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  }

  int file() const { return file_; }

  // Puts everything back that a call may have changed.
  void Restore() {
    SSI_OK(syscall(SYS_close_range, first_free_, ~0U, 0));
    SSI_OK(fchdir(directory_));
    for (const char* name : {"new", "dir/new"}) {
      unlink(name);
      rmdir(name);
    }
    mkdir("dir", 0700);
    SSI_OK(chmod("dir", 0700));
    if (access("file", F_OK) != 0) {  // the same file, under its name again
      const std::string self = "/proc/self/fd/" + std::to_string(file_);
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, "file", AT_SYMLINK_FOLLOW) !=
          0) {
        SSI_OK(close(SSI_OK(open("file", O_WRONLY | O_CREAT, 0600))));
      }
    }
    if (access("link", F_OK) != 0) {
      SSI_OK(symlink("file", "link"));
    }
    SSI_OK(fchmod(file_, 0600));
    SSI_OK(ftruncate(file_, 4096));
    SSI_EQ(lseek(file_, 0, SEEK_SET), 0);
    SSI_EQ(lseek(directory_, 0, SEEK_SET), 0);
    int on = 1;
    SSI_OK(ioctl(reader_, FIONBIO, &on));
    char bytes[128];
    while (read(reader_, bytes, sizeof bytes) > 0) {
    }
    SSI_EQ(write(writer_, bytes, 64), 64);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SSI_OK(sigprocmask(SIG_SETMASK, &set, nullptr));
    SSI_OK(kill(getpid(), SIGUSR1));
  }

  void CleanUp() {
    sigset_t none;
    Restore();
    sigemptyset(&none);
    SSI_OK(sigprocmask(SIG_SETMASK, &none, nullptr));
    SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
    SSI_OK(unlink("file"));
    SSI_OK(unlink("link"));
    SSI_OK(rmdir("dir"));
  }

  // The value of a word that is no pointer.
  long Number(const std::string& word) const {
    switch (word[0]) {
      case 'f':
        return file_;
      case 'r':
        return reader_;
      case 't':
        return terminal_;
      case 'd':
        return directory_;
      case 'D':
        return AT_FDCWD;
      default:
        return word == "@pid" ? getpid() : strtol(word.c_str() + 1, nullptr, 0);
    }
  }

  // What a word that is a pointer points to.
  std::vector<unsigned char> Bytes(const std::string& word) const {
    if (word[0] == 'b') {
      return std::vector<unsigned char>(
          static_cast<std::size_t>(atol(word.c_str() + 1)));
    }
    if (word[0] == '"') {
      return {word.c_str() + 1, word.c_str() + word.size() + 1};
    }
    return structures_.at(word.substr(1));
  }

 private:
  template <typename T>
  void Add(const char* name, const T& value) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&value);
    structures_[name].assign(bytes, bytes + sizeof value);
  }

  void Prepare() {
    static unsigned char two[2][50];
    const iovec pieces[2] = {{two[0], 50}, {two[1], 50}};
    Add("iov", pieces);
    Add("poll", pollfd{file_, POLLIN, 0});
    Add("time", timespec{0, 1000});
    const std::uint64_t user1 = 1UL << (SIGUSR1 - 1);
    Add("set", user1);
    Add("none", std::uint64_t{0});
    fd_set fds;
    FD_ZERO(&fds);
    FD_SET(file_, &fds);
    Add("fds", fds);
    static const std::uint64_t mask = user1;
    const std::uint64_t sixth[2] = {reinterpret_cast<std::uint64_t>(&mask), 8};
    Add("sixth", sixth);
    const std::uint64_t range[2] = {0, 100};
    Add("range", range);
    unsigned char attributes[36] = {};
    SSI_OK(ioctl(terminal_, 0x5401, attributes));
    Add("termios", attributes);
    struct flock lock {};
    lock.l_type = F_RDLCK;
    Add("lock", lock);
    Add("how", open_how{});
    const timespec times[2] = {{1, 0}, {2, 0}};
    Add("two", times);
    const std::uint32_t handle[34] = {128, 0};
    Add("handle", handle);
    // Size, which mount, and what of it, or after which one.
    struct statx status {};
    constexpr unsigned kUniqueMountId = 0x4000;
    SSI_OK(statx(directory_, "", AT_EMPTY_PATH, kUniqueMountId, &status));
    const std::uint64_t this_one[3] = {24, status.stx_mnt_id, 1};
    Add("mount", this_one);
    const std::uint64_t all[3] = {24, ~0UL, 0};
    Add("mounts", all);
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct caps[2] = {};
    SSI_OK(syscall(SYS_capget, &head, caps));
    Add("caphead", head);
    Add("caps", caps);
    rlimit limit{};
    SSI_OK(getrlimit(RLIMIT_CORE, &limit));
    Add("limit", limit);
    cpu_set_t cpus;
    SSI_OK(sched_getaffinity(0, sizeof cpus, &cpus));
    Add("cpus", cpus);
    unsigned char attribute[48] = {};
    SSI_OK(syscall(SYS_sched_getattr, 0, attribute, sizeof attribute, 0));
    Add("attribute", attribute);
    Add("size", std::uint32_t{64});
    unsigned char action[32] = {};
    SSI_OK(syscall(SYS_rt_sigaction, SIGUSR2, nullptr, action, 8));
    Add("action", action);
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    Add("info", info);
  }

  int file_ = -1;
  int reader_ = -1;
  int writer_ = -1;
  int directory_ = -1;
  int terminal_ = -1;
  int first_free_ = -1;
  std::map<std::string, std::vector<unsigned char>> structures_;
};

inline std::vector<std::string> Words(const char* arguments) {
  std::istringstream stream(arguments);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

inline bool IsPointer(const std::string& word) {
  return word[0] == 'b' || word[0] == '"' || (word[0] == '@' && word != "@pid");
}

inline bool IsDescriptor(const std::string& word) {
  return word.size() == 1 && strchr("frtd", word[0]) != nullptr;
}

// The call, and its result in words.
inline std::string Result(const Row& row, const long (&arguments)[6]) {
  const long result =
      syscall(row.number, arguments[0], arguments[1], arguments[2],
              arguments[3], arguments[4], arguments[5]);
  if (result == -1) {
    return strerrorname_np(errno);
  }
  return row.name[0] == '~' ? "ok" : std::to_string(result);
}

// Of this guest; made in its first round, in its directory.
inline State* state = nullptr;

// Prints the table of the first round; those of the others must be the same.
inline void Compare(const std::string& table) {
  static std::string first;
  if (guest::first_round) {
    first = table;
    fputs(table.c_str(), stdout);
  }
  SSI_TRUE(table == first);
}

// The guest: rounds of `table`.
inline int Run(int argc, char** argv, void (*table)()) {
  SSI_OK(syscall(SYS_close_range, 3, ~0U, 0));
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"state",
                                 [] {
                                   if (guest::first_round) {
                                     static State all_state;
                                     state = &all_state;
                                   }
                                 }},
                                {"table", table}},
                               [] { state->CleanUp(); });
}

}  // namespace hostile

#endif  // SSI_TEST_GUESTS_HOSTILE_TABLE_H_
