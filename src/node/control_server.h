#ifndef SSI_NODE_CONTROL_SERVER_H_
#define SSI_NODE_CONTROL_SERVER_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/message_socket.h"
#include "base/result.h"
#include "proto/control.pb.h"
#include "proto/listen.h"

namespace ssi {

// The control socket of a daemon: ssictl and the home supervisors of this
// user's jobs.
//
// Owner:   the daemon.
// Threads: the loop's.
// Errors:  processes of other users are turned away.
class ControlServer {
 public:
  using OnResponse = std::function<void(Result<wire::Response>)>;
  struct Hooks {
    std::function<void(const wire::Request&,
                       std::function<void(wire::Response)>)>
        on_request;
    // Why the job is not accepted, or nothing.
    std::function<wire::Registered(const wire::RegisterJob&)> on_register;
    // Its home supervisor has gone.
    std::function<void(const std::string& job)> on_job_ended;
  };

  static Result<std::unique_ptr<ControlServer>> Listen(Loop& loop,
                                                       const std::string& path,
                                                       Hooks hooks);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ControlServer(ControlServer&&) = delete;
  ControlServer& operator=(ControlServer&&) = delete;

  // The job whose home supervisor is an ancestor of `pid`; empty: none.
  [[nodiscard]] std::string JobOf(pid_t pid) const;
  [[nodiscard]] std::vector<std::string> jobs() const;
  void AskJob(const std::string& job, wire::Request request,
              OnResponse on_response);

 private:
  struct Client {
    std::unique_ptr<MessageSocket> socket;
    std::string job;
    pid_t supervisor = -1;
  };

  ControlServer(Loop& loop, std::string path, UniqueFd listener, Hooks hooks);
  void OnConnection(UniqueFd socket);
  void OnMessage(const std::shared_ptr<Client>& client,
                 std::span<const std::byte> data);
  void OnClosed(const std::shared_ptr<Client>& client);
  static void Send(Client& client, const wire::JobMessage& message);

  Loop& loop_;
  std::string path_;
  Hooks hooks_;
  std::vector<std::shared_ptr<Client>> clients_;
  struct Waiting {
    std::string job;
    OnResponse on_response;
  };
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t next_id_ = 1;
  std::unique_ptr<proto::Listener> listener_;
};

}  // namespace ssi

#endif  // SSI_NODE_CONTROL_SERVER_H_
