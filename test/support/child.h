// Programs that tests start: descriptors redirected to files, bounded waiting,
// nothing left behind.
#ifndef SSI_TEST_SUPPORT_CHILD_H_
#define SSI_TEST_SUPPORT_CHILD_H_

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ssi::test {

struct Spawn {
  std::vector<std::string> command;
  std::string folder = ".";  // working directory
  std::string in = "/dev/null";
  std::string out;  // empty: inherited
  std::string err;
  std::map<std::string, std::string> environment;  // added to ours
  std::vector<unsigned> cpus;                      // empty: ours
  bool new_session = false;
};

// This thread, and what it starts, runs only on these.
void KeepTo(const std::vector<unsigned>& cpus);

// One started program. Killed and reaped when it goes out of scope.
class Child {
 public:
  explicit Child(const Spawn& spawn);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The wait status; nothing if it still runs after `limit`.
  std::optional<int> Wait(std::chrono::milliseconds limit);
  [[nodiscard]] bool Runs();
  void Kill(int signal) const;
  // User and system time of it and its reaped children, seconds; after Wait.
  [[nodiscard]] double cpu_seconds() const { return cpu_seconds_; }

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
  double cpu_seconds_ = 0;
};

// "exit 3", "signal 15", "still running".
std::string Describe(const std::optional<int>& wait_status);

// Runs to the end; the whole of stdout.
struct Output {
  std::optional<int> status;
  std::string out;
  std::string err;
};
Output RunToEnd(Spawn spawn,
                std::chrono::milliseconds limit = std::chrono::seconds(30));

std::string ReadAllOf(const std::string& path);

// Calls `condition` until it is true; false when `limit` has passed. The one
// place where tests wait for a state that sends no event.
template <typename Condition>
bool Eventually(Condition condition, std::chrono::milliseconds limit);

// A folder that is removed with all in it, unless the test failed.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  TemporaryFolder(TemporaryFolder&&) = delete;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// ---- /proc, seen from outside the runtime -----------------------------------

std::vector<pid_t> ChildrenOf(pid_t pid);
std::vector<pid_t> DescendantsOf(pid_t pid);
std::string NameOf(pid_t pid);  // comm
// User time in clock ticks; 0 where it is gone.
unsigned long UserTicks(pid_t pid);
char StateOf(pid_t pid);  // '-' where it is gone

void PauseBriefly();

template <typename Condition>
bool Eventually(Condition condition, std::chrono::milliseconds limit) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    PauseBriefly();
  }
  return true;
}

}  // namespace ssi::test

#endif  // SSI_TEST_SUPPORT_CHILD_H_
