#ifndef SSI_REMOTE_GUEST_SUPERVISOR_H_
#define SSI_REMOTE_GUEST_SUPERVISOR_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "base/message_socket.h"
#include "fs/hash_cache.h"
#include "proto/control.pb.h"
#include "proto/key.h"
#include "remote/local_files.h"
#include "remote/policy.h"
#include "remote/remote.h"
#include "remote/watchdog.h"

namespace ssi {

// The process that serves the guests of one job on one node. Executed by the
// daemon, which gives it its policy, its sessions with their one-time keys,
// and the connections that arrive for them.
//
// Owner:   its main.
// Threads: the loop's, which is the tracer of every guest.
// Ends when the daemon is gone, or when it has been without a session for a
// while.
class GuestSupervisor {
 public:
  GuestSupervisor(Loop& loop, UniqueFd daemon);
  ~GuestSupervisor();
  GuestSupervisor(const GuestSupervisor&) = delete;
  GuestSupervisor& operator=(const GuestSupervisor&) = delete;
  GuestSupervisor(GuestSupervisor&&) = delete;
  GuestSupervisor& operator=(GuestSupervisor&&) = delete;

  // Sets signals and watchers up; the loop then does everything.
  Status Start();

 private:
  struct Session {
    explicit Session(proto::Key session_key) : key(std::move(session_key)) {}
    proto::Key key;
    std::int32_t pid = 0;
    std::unique_ptr<Remote> remote;
  };

  void OnMessage(std::span<const std::byte> data, std::vector<UniqueFd> fds);
  Status OnSetup(const wire::GuestSetup& setup);
  Status OnSession(const wire::GuestSession& session);
  Status OnConnection(const wire::GuestConnection& connection, UniqueFd socket);
  void OnSessionEnded(const std::string& id);
  void OnChildSignal();
  void Report();
  void Send(const wire::GuestMessage& message);
  void EndIfIdle();

  Loop& loop_;
  SystemClock clock_;
  MessageSocket daemon_;
  std::unique_ptr<SignalSource> signals_;
  GuestPolicy policy_;
  std::string job_;
  std::unique_ptr<Watchdog> watchdog_;
  std::unique_ptr<HashCache> hashes_;
  std::unique_ptr<LocalFiles> files_;
  std::map<std::string, Session> sessions_;
  Timer report_timer_;
  Timer idle_timer_;
};

// main of that process; `daemon` is the socket to the daemon.
int RunGuestSupervisor(int daemon);

}  // namespace ssi

#endif  // SSI_REMOTE_GUEST_SUPERVISOR_H_
