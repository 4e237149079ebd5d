#ifndef SSI_NODE_GUEST_HOSTS_H_
#define SSI_NODE_GUEST_HOSTS_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/message_socket.h"
#include "base/result.h"
#include "node/options.h"
#include "proto/control.pb.h"
#include "proto/greeting.h"

namespace ssi {

// The guest supervisors of this node: one for each job that has a process
// here, and one in reserve that is started already.
//
// Owner:   the daemon.
// Threads: the loop's.
class GuestHosts {
 public:
  // `is_up`: whether a node of the cluster can be reached.
  using IsUp = std::function<bool(const std::string& node)>;
  GuestHosts(Loop& loop, const DaemonOptions& options, IsUp is_up);
  ~GuestHosts();
  GuestHosts(const GuestHosts&) = delete;
  GuestHosts& operator=(const GuestHosts&) = delete;
  GuestHosts(GuestHosts&&) = delete;
  GuestHosts& operator=(GuestHosts&&) = delete;

  // Starts the one in reserve.
  void Prepare();
  // A session for one process of a job, or why this node has none for it.
  Result<wire::SessionOpened> Open(const wire::OpenSession& request);
  // A greeted connection of a session: is answered, and goes to its host.
  void Connect(proto::Greeted greeted);
  // Its home supervisor is gone: nothing of it may go on here.
  void EndJob(const std::string& job);
  // Nor can its daemon tell any more when its jobs end: of those that have
  // nothing here now nothing is kept.
  void OnNodeDown(const std::string& node);
  // After SIGCHLD.
  void Reap();
  // Asks all guests to go home; `left` comes when none is left or time is up.
  void SendAllHome(const std::string& reason, std::function<void()> left);

  [[nodiscard]] unsigned guests() const;
  void List(wire::ProcessesResponse& list) const;

 private:
  struct Host {
    pid_t pid = -1;
    std::unique_ptr<MessageSocket> socket;
    std::string job;   // empty: in reserve
    std::string home;  // of the job
    wire::ProcessesResponse processes;
    unsigned sessions = 0;
  };

  Result<std::shared_ptr<Host>> Start();
  Result<std::shared_ptr<Host>> HostOf(const wire::OpenSession& request);
  void Retire(std::shared_ptr<Host> host);
  void OnMessage(const std::shared_ptr<Host>& host,
                 std::span<const std::byte> data);
  void Send(const Host& host, const wire::GuestMessage& message,
            std::vector<UniqueFd> fds = {});
  void CheckLeft();

  Loop& loop_;
  const DaemonOptions& options_;
  IsUp is_up_;
  std::vector<std::shared_ptr<Host>> hosts_;
  std::shared_ptr<Host> reserve_;
  std::map<std::string, std::weak_ptr<Host>> sessions_;
  std::function<void()> left_;
  Timer reserve_timer_;
  Timer leave_timer_;
};

}  // namespace ssi

#endif  // SSI_NODE_GUEST_HOSTS_H_
