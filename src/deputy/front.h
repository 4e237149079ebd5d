#ifndef SSI_DEPUTY_FRONT_H_
#define SSI_DEPUTY_FRONT_H_

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// What front and home supervisor say to each other, one message each.
struct FrontMessage {
  enum class Kind : std::uint32_t {
    // Supervisor to front.
    kStarted = 1,  // CMD runs; value: its pid
    kExited = 2,   // CMD has exited; value: its code
    kKilled = 3,   // CMD was killed; value: the signal
    kStopped = 4,  // CMD has stopped; value: the signal
    kFailed = 6,   // ssirun itself failed; value: the exit status
    kLog = 7,      // the text that follows goes to stderr
    // Front to supervisor.
    kSignal = 8,  // value: a signal for CMD
    kJoined = 9,  // the front has left CMD's process group
    kAwake = 10,  // after a kStopped
  };
  Kind kind{};
  std::int32_t value = 0;
};

// The half of ssirun that the user sees: relays signals to CMD, stops and goes
// on as CMD does, and ends as CMD ended. Its child is the home supervisor.
//
// It leaves CMD's process group, where it can, for the supervisor's: what is
// sent to the group reaches CMD directly and the front not at all, so nothing
// arrives twice; what is sent to the front alone is relayed. The supervisor is
// in no group of the user's, so that a SIGSTOP for the group cannot stop it.
class Front {
 public:
  // Runs `supervisor` in a child, and the front's whole life here. Returns the
  // exit status; does not return where CMD was killed by a signal, but dies by
  // it.
  // `supervisor` gets its end of the socket and the signal mask of ssirun's
  // caller.
  static int Run(const std::function<int(UniqueFd socket,
                                         const sigset_t& mask)>& supervisor);

 private:
  Front(UniqueFd socket, pid_t supervisor)
      : socket_(std::move(socket)), supervisor_(supervisor) {}

  int Loop();
  // False when the supervisor is gone.
  bool OnMessage();
  void OnSignal(const signalfd_siginfo& info);
  static void Stop(int signal);
  void ReapSupervisor();
  [[noreturn]] void DieBy(int signal) const;
  int KillJob();

  UniqueFd socket_;
  pid_t supervisor_;
  pid_t command_ = -1;
  bool left_group_ = false;
  bool ended_ = false;
  int status_ = 0;
};

// Closes every descriptor but those of `keep`, and puts /dev/null in
// the place of the standard streams: a pipe's reader must see its end when CMD
// closes it, not when we do.
enum class Stderr : bool { kLetGo, kKeep };
void LetGoOfFiles(std::vector<int> keep, Stderr standard_error);

// Kills every descendant of this process and reaps its children, again and
// again until nothing new appears. Needs to be a child subreaper.
void KillDescendants();

}  // namespace ssi

#endif  // SSI_DEPUTY_FRONT_H_
