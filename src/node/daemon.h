#ifndef SSI_NODE_DAEMON_H_
#define SSI_NODE_DAEMON_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "node/control_server.h"
#include "node/guest_hosts.h"
#include "node/options.h"
#include "node/peers.h"
#include "node/repeats.h"
#include "proto/greeting.h"
#include "proto/key.h"
#include "proto/listen.h"

namespace ssi {

// ssid: one node. Holds the cluster key, and is the only process that does.
//
// Owner:   its main.
// Threads: the loop's.
class Daemon {
 public:
  Daemon(Loop& loop, DaemonOptions options, proto::Key key);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  Daemon(Daemon&&) = delete;
  Daemon& operator=(Daemon&&) = delete;

  Status Start();
  [[nodiscard]] const std::string& address() const {
    return listener_->address();
  }

 private:
  using Respond = std::function<void(wire::Response)>;

  void OnConnection(UniqueFd socket);
  void OnGreeted(proto::Greeted greeted);
  void OnRequest(const wire::Request& request, Respond respond);
  void OnPeerRequest(const wire::Request& request, const Respond& respond);
  wire::Registered OnRegister(const wire::RegisterJob& job);
  void OpenSession(const wire::OpenSession& open, const Respond& respond);
  void OnJobEnded(const std::string& job);
  void ListNodes(const Respond& respond);
  void ListProcesses(const wire::ProcessesRequest& wanted, Respond respond);
  void PassToJob(std::int32_t pid, const wire::Request& request,
                 Respond respond);
  void Leave(const std::string& reason, const Respond& respond);

  Loop& loop_;
  DaemonOptions options_;
  proto::Key key_;
  SystemClock clock_;
  wire::NodeInfo self_;
  std::unique_ptr<SignalSource> signals_;
  std::unique_ptr<proto::Listener> listener_;
  std::vector<std::shared_ptr<std::unique_ptr<proto::Greeting>>> greetings_;
  std::unique_ptr<GuestHosts> guests_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<ControlServer> control_;
  // Where the jobs of this node have or had guests.
  std::map<std::string, std::set<std::string>> hosts_of_;
  Repeats repeats_;
  bool leaving_ = false;
};

// main of ssid after its options are read: loads the key, goes into the
// background unless told otherwise, serves.
int RunDaemon(DaemonOptions options);

}  // namespace ssi

#endif  // SSI_NODE_DAEMON_H_
