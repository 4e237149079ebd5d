#ifndef SSI_NODE_PEERS_H_
#define SSI_NODE_PEERS_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"
#include "node/repeats.h"
#include "proto/channel.h"
#include "proto/connect.h"
#include "proto/control.pb.h"
#include "proto/greeting.h"
#include "proto/key.h"

namespace ssi {

// The other daemons of the cluster: a connection to each, what each has said
// of itself, and requests to them.
//
// A node is joined through any member; members tell each other whom they know.
// Of two connections between a pair the one that the smaller name has opened
// stays. A connection that is lost is tried again.
//
// Owner:   the daemon.
// Threads: the loop's.
class Peers {
 public:
  struct Hooks {
    std::function<wire::NodeLoad()> load;
    // A request of another daemon; answer once.
    std::function<void(const wire::Request&,
                       std::function<void(wire::Response)>)>
        on_request;
    std::function<void(const std::string& node)> down;
  };

  Peers(Loop& loop, const Clock& clock, const proto::Key& cluster_key,
        wire::NodeInfo self, Hooks hooks);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;
  Peers(Peers&&) = delete;
  Peers& operator=(Peers&&) = delete;

  [[nodiscard]] bool IsUp(const std::string& node) const;
  void Join(const std::string& address);
  void Accept(proto::Greeted greeted);
  // Tells all that this node goes down.
  void SayGoodbye();

  using OnResponse = std::function<void(Result<wire::Response>)>;
  // kInvalid for a node that is not known, kGone for one that is down.
  void Ask(const std::string& node, wire::Request request,
           OnResponse on_response);
  // So that no guest of a job whose supervisor is gone computes on there. Said
  // again, when the node can be reached, until it has heard it.
  void TellJobEnded(const std::string& node, const std::string& job);
  [[nodiscard]] bool Knows(const std::string& node) const;
  [[nodiscard]] std::string Names() const;
  void List(wire::NodesResponse& nodes) const;
  // Where the node is reached.
  [[nodiscard]] std::string AddressOf(const std::string& node) const;

 private:
  struct Link;
  struct Peer {
    wire::NodeInfo info;
    wire::NodeLoad load;
    std::string state = "coming-up";
    std::string reason;
    Nanos heard{};
    std::shared_ptr<Link> link;
    std::set<std::string> ended_jobs;  // of which it is not known to have heard
  };

  void Connect(const std::string& address);
  void Open(const std::shared_ptr<Link>& link, proto::Greeted greeted);
  void OnOpen(const std::shared_ptr<Link>& link);
  void OnFrame(const std::shared_ptr<Link>& link,
               const proto::FrameHeader& header,
               std::span<const std::byte> payload);
  void OnHello(const std::shared_ptr<Link>& link,
               std::span<const std::byte> payload);
  void OnMembers(std::span<const std::byte> payload);
  void OnRequest(const std::shared_ptr<Link>& link,
                 std::span<const std::byte> payload);
  void OnResponseFrame(std::span<const std::byte> payload);
  void OnLost(const std::shared_ptr<Link>& link, const std::string& reason);
  void Drop(const std::shared_ptr<Link>& link);
  void SendMembers(Link& link);
  void Tick();

  Loop& loop_;
  const Clock& clock_;
  const proto::Key& key_;
  wire::NodeInfo self_;
  Hooks hooks_;
  std::map<std::string, Peer> peers_;  // by name
  std::vector<std::shared_ptr<Link>> links_;
  std::set<std::string> wanted_;  // addresses of --join
  struct Waiting {
    std::string node;
    OnResponse on_response;
  };
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t next_id_ = 1;
  Repeats repeats_;
  Timer tick_;
};

}  // namespace ssi

#endif  // SSI_NODE_PEERS_H_
