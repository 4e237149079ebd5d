// A program on a terminal of its own, driven as a user drives it.
#ifndef SSI_TEST_CLUSTER_SIGNALS_TERMINAL_H_
#define SSI_TEST_CLUSTER_SIGNALS_TERMINAL_H_

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ssi::test {

class Terminal {
 public:
  // Starts `command` as leader of a session on a new terminal of 24 x 80.
  Terminal(const std::vector<std::string>& command,
           const std::map<std::string, std::string>& environment,
           const std::string& folder);
  // Hangs up, and kills what is left in the session.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  Terminal(Terminal&&) = delete;
  Terminal& operator=(Terminal&&) = delete;

  void Type(const std::string& keys) const;
  // Whether `text` is printed, after what an earlier Await has found.
  bool Await(const std::string& text,
             std::chrono::milliseconds limit = std::chrono::seconds(15));
  // All that was printed so far.
  [[nodiscard]] const std::string& printed() const { return printed_; }

  void Resize(unsigned short rows, unsigned short columns) const;
  // The foreground process group.
  [[nodiscard]] pid_t Foreground() const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  // The wait status of the session's leader, once it has ended.
  std::optional<int> Wait(std::chrono::milliseconds limit);
  // Closes the terminal, as when its window is closed.
  void HangUp();

 private:
  void ReadSome(int timeout_ms);

  int master_ = -1;
  pid_t pid_ = -1;
  std::optional<int> status_;
  std::string printed_;
  std::size_t found_ = 0;  // Await goes on from here
};

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_SIGNALS_TERMINAL_H_
