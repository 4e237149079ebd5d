#include "node/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include <spdlog/spdlog.h>

#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

namespace session = proto::session;

namespace {

using namespace std::chrono_literals;

constexpr Nanos kTick = 1s;
// A daemon that says nothing for this long is down: it says something every
// second.
constexpr Nanos kSilence = 10s;

// The other end's address without its port.
std::string HostOf(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) !=
      0) {
    return "";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return text.data();
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  return fmt::format("[{}]", text.data());
}

// A node that listens everywhere is reached where it came from.
std::string Reachable(const std::string& address, const std::string& host) {
  auto colon = address.rfind(':');
  std::string its_host = address.substr(0, colon);
  bool everywhere = its_host == "0.0.0.0" || its_host == "[::]";
  return everywhere && !host.empty() && colon != std::string::npos
             ? host + address.substr(colon)
             : address;
}

}  // namespace

struct Peers::Link {
  std::string address;  // where it was connected to; empty: they came
  std::string host;     // the other end
  std::string name;     // once it has said hello
  std::unique_ptr<proto::Connector> connector;
  std::unique_ptr<proto::Greeting> greeting;
  std::unique_ptr<proto::Channel> channel;
  bool said_hello = false;
};

Peers::Peers(Loop& loop, const Clock& clock, const proto::Key& cluster_key,
             wire::NodeInfo self, Hooks hooks)
    : loop_(loop),
      clock_(clock),
      key_(cluster_key),
      self_(std::move(self)),
      hooks_(std::move(hooks)),
      tick_(loop) {
  tick_.Start(kTick, [this] { Tick(); });
}

Peers::~Peers() = default;

// ---- connections ------------------------------------------------------------

void Peers::Join(const std::string& address) {
  wanted_.insert(address);
  Connect(address);
}

void Peers::Connect(const std::string& address) {
  auto link = std::make_shared<Link>();
  link->address = address;
  links_.push_back(link);
  std::weak_ptr<Link> weak = link;
  link->connector = std::make_unique<proto::Connector>(
      loop_, address, [this, weak](Result<UniqueFd> socket) {
        auto strong = weak.lock();
        if (!strong) {
          return;
        }
        if (!socket) {
          OnLost(strong, socket.error().message);
          return;
        }
        strong->greeting = proto::Greeting::Connecting(
            loop_, *std::move(socket), proto::Preamble{},
            [this, weak](Result<proto::Greeted> greeted) {
              auto again = weak.lock();
              if (!again) {
                return;
              }
              if (greeted) {
                Open(again, *std::move(greeted));
              } else {
                OnLost(again, greeted.error().message);
              }
            });
      });
}

void Peers::Accept(proto::Greeted greeted) {
  auto link = std::make_shared<Link>();
  links_.push_back(link);
  Open(link, std::move(greeted));
}

void Peers::Open(const std::shared_ptr<Link>& link, proto::Greeted greeted) {
  auto context = proto::TlsContext::Make(
      key_, proto::TlsIdentity(greeted.preamble, greeted.version));
  if (!context) {
    OnLost(link, context.error().message);
    return;
  }
  link->host = HostOf(greeted.socket.get());
  std::weak_ptr<Link> weak = link;
  proto::Channel::Callbacks callbacks;
  callbacks.on_open = [this, weak](Status status) {
    auto strong = weak.lock();
    if (strong && status) {
      OnOpen(strong);
    } else if (strong) {
      OnLost(strong, status.error().message);
    }
  };
  callbacks.on_frame = [this, weak](const proto::FrameHeader& header,
                                    std::span<const std::byte> payload) {
    if (auto strong = weak.lock()) {
      OnFrame(strong, header, payload);
    }
  };
  callbacks.on_closed = [this, weak](const Error& error) {
    if (auto strong = weak.lock()) {
      OnLost(strong, error.message);
    }
  };
  proto::ChannelLimits limits;
  limits.silence = kSilence;
  link->channel =
      link->address.empty()
          ? proto::Channel::Server(loop_, std::move(greeted.socket), *context,
                                   std::move(callbacks), limits)
          : proto::Channel::Client(loop_, std::move(greeted.socket), *context,
                                   std::move(callbacks), limits);
}

void Peers::OnOpen(const std::shared_ptr<Link>& link) {
  if (auto bytes = proto::EncodeMessage(self_)) {
    link->channel->Send(session::kHello, 0, 0, *bytes);
  }
}

void Peers::Drop(const std::shared_ptr<Link>& link) {
  std::erase(links_, link);
  // Not from inside its own callback.
  asio::post(loop_, [link] {});
}

void Peers::OnLost(const std::shared_ptr<Link>& link,
                   const std::string& reason) {
  if (!link->address.empty()) {
    if (wanted_.contains(link->address) &&
        repeats_.IsNew(link->address + reason)) {
      spdlog::warn("{}: {}", link->address, reason);
    }
  } else if (link->name.empty() && repeats_.IsNew(link->host + reason)) {
    spdlog::warn("connection from {}: {}", link->host, reason);
  }
  auto peer = peers_.find(link->name);
  if (peer != peers_.end() && peer->second.link == link) {
    spdlog::warn("node {} is down: {}", link->name, reason);
    peer->second.link.reset();
    peer->second.state = "down";
    peer->second.reason = reason;
    auto waiting = std::exchange(waiting_, {});
    for (auto& [id, entry] : waiting) {
      if (entry.node == link->name) {
        entry.on_response(
            Fail(ErrorCode::kGone, "node {} is down: {}", link->name, reason));
      } else {
        waiting_.emplace(id, std::move(entry));
      }
    }
    hooks_.down(link->name);
  }
  Drop(link);
}

bool Peers::IsUp(const std::string& node) const {
  auto peer = peers_.find(node);
  return peer != peers_.end() && peer->second.link != nullptr;
}

// ---- frames -----------------------------------------------------------------

void Peers::OnFrame(const std::shared_ptr<Link>& link,
                    const proto::FrameHeader& header,
                    std::span<const std::byte> payload) {
  if (header.type == session::kHello) {
    OnHello(link, payload);
    return;
  }
  if (link->name.empty()) {
    return;  // nothing counts before hello
  }
  Peer& peer = peers_[link->name];
  peer.heard = clock_.Boot();
  if (header.type == session::kStatus) {
    (void)proto::DecodeMessage(payload, peer.load);
  } else if (header.type == session::kMembers) {
    OnMembers(payload);
  } else if (header.type == session::kRequest) {
    OnRequest(link, payload);
  } else if (header.type == session::kResponse) {
    OnResponseFrame(payload);
  } else if (header.type == session::kGoodbye) {
    peer.state = "leaving";
    peer.reason = "it left";
  }
}

void Peers::OnHello(const std::shared_ptr<Link>& link,
                    std::span<const std::byte> payload) {
  wire::NodeInfo info;
  if (!proto::DecodeMessage(payload, info) || info.name().empty() ||
      info.name() == self_.name()) {
    OnLost(link, info.name() == self_.name()
                     ? fmt::format("another node has this one's name, {}",
                                   self_.name())
                     : "no hello");
    return;
  }
  link->name = info.name();
  Peer& peer = peers_[info.name()];
  if (peer.link && peer.link != link) {
    // Two connections: the one that the smaller name has opened stays, unless
    // the other node is a new incarnation, whose old connection is dead.
    bool mine = !link->address.empty();
    bool keep_new = (self_.name() < info.name()) == mine ||
                    info.incarnation() != peer.info.incarnation();
    if (!keep_new) {
      link->name.clear();
      Drop(link);
      return;
    }
    auto old = peer.link;
    old->name.clear();
    Drop(old);
  }
  bool news = peer.state != "up";
  if (info.incarnation() != peer.info.incarnation()) {
    peer.ended_jobs.clear();  // with the ssid that had guests of them
  }
  peer.info = info;
  peer.info.set_address(Reachable(info.address(), link->host));
  peer.link = link;
  peer.state = "up";
  peer.reason.clear();
  peer.heard = clock_.Boot();
  repeats_.Forget();  // what fails from now on is news
  if (news) {
    spdlog::info("node {} is up at {}", info.name(), peer.info.address());
  }
  SendMembers(*link);
  for (const auto& job : std::set(peer.ended_jobs)) {
    TellJobEnded(info.name(), job);
  }
}

void Peers::SendMembers(Link& link) {
  wire::NodesResponse members;
  for (const auto& [name, peer] : peers_) {
    if (peer.link && name != link.name) {
      *members.add_nodes()->mutable_info() = peer.info;
    }
  }
  if (auto bytes = proto::EncodeMessage(members)) {
    link.channel->Send(session::kMembers, 0, 0, *bytes);
  }
}

void Peers::OnMembers(std::span<const std::byte> payload) {
  wire::NodesResponse members;
  if (!proto::DecodeMessage(payload, members)) {
    return;
  }
  for (const auto& member : members.nodes()) {
    const std::string& name = member.info().name();
    bool known =
        name == self_.name() || (peers_.contains(name) && peers_[name].link);
    if (!known && !member.info().address().empty()) {
      Join(member.info().address());
    }
  }
}

void Peers::OnRequest(const std::shared_ptr<Link>& link,
                      std::span<const std::byte> payload) {
  wire::Request request;
  if (!proto::DecodeMessage(payload, request)) {
    return;
  }
  hooks_.on_request(request, [weak = std::weak_ptr(link),
                              id = request.id()](wire::Response response) {
    auto strong = weak.lock();
    if (!strong || !strong->channel || !strong->channel->is_open()) {
      return;
    }
    response.set_id(id);
    if (auto bytes = proto::EncodeMessage(response)) {
      strong->channel->Send(session::kResponse, 0, 0, *bytes);
    }
  });
}

void Peers::OnResponseFrame(std::span<const std::byte> payload) {
  wire::Response response;
  if (!proto::DecodeMessage(payload, response)) {
    return;
  }
  auto waiting = waiting_.find(response.id());
  if (waiting != waiting_.end()) {
    auto on_response = std::move(waiting->second.on_response);
    waiting_.erase(waiting);
    on_response(std::move(response));
  }
}

// ---- the rest ---------------------------------------------------------------

void Peers::Tick() {
  tick_.Start(kTick, [this] { Tick(); });
  auto load = proto::EncodeMessage(hooks_.load());
  for (const auto& [name, peer] : peers_) {
    if (load && peer.link && peer.link->channel->is_open()) {
      peer.link->channel->Send(session::kStatus, 0, 0, *load);
    }
  }
  for (const auto& address : wanted_) {
    bool trying = std::any_of(
        links_.begin(), links_.end(),
        [&address](const auto& link) { return link->address == address; });
    bool up = std::any_of(peers_.begin(), peers_.end(), [&](const auto& peer) {
      return peer.second.link && peer.second.info.address() == address;
    });
    if (!trying && !up) {
      Connect(address);
    }
  }
}

void Peers::SayGoodbye() {
  for (const auto& [name, peer] : peers_) {
    if (peer.link && peer.link->channel->is_open()) {
      peer.link->channel->Send(session::kGoodbye, 0, 0,
                               std::span<const std::byte>());
    }
  }
}

void Peers::Ask(const std::string& node, wire::Request request,
                OnResponse on_response) {
  auto peer = peers_.find(node);
  if (peer == peers_.end()) {
    on_response(Fail(ErrorCode::kInvalid, "no node {} in this cluster ({})",
                     node, Names()));
    return;
  }
  if (!peer->second.link || !peer->second.link->channel->is_open()) {
    on_response(Fail(ErrorCode::kGone, "node {} is down: {}", node,
                     peer->second.reason));
    return;
  }
  request.set_id(next_id_++);
  auto bytes = proto::EncodeMessage(request);
  if (!bytes) {
    on_response(std::unexpected(bytes.error()));
    return;
  }
  waiting_[request.id()] = {node, std::move(on_response)};
  peer->second.link->channel->Send(session::kRequest, 0, 0, *bytes);
}

void Peers::TellJobEnded(const std::string& node, const std::string& job) {
  wire::Request request;
  request.mutable_job_ended()->set_job(job);
  if (auto peer = peers_.find(node); peer != peers_.end()) {
    peer->second.ended_jobs.insert(job);
  }
  Ask(node, std::move(request),
      [this, node, job](const Result<wire::Response>& response) {
        auto peer = peers_.find(node);
        if (response && peer != peers_.end()) {
          peer->second.ended_jobs.erase(job);
        }
      });
}

bool Peers::Knows(const std::string& node) const {
  return node == self_.name() || peers_.contains(node);
}

std::string Peers::Names() const {
  std::string names = self_.name();
  for (const auto& [name, peer] : peers_) {
    names += ", " + name;
  }
  return names;
}

std::string Peers::AddressOf(const std::string& node) const {
  auto peer = peers_.find(node);
  return peer == peers_.end() ? "" : peer->second.info.address();
}

void Peers::List(wire::NodesResponse& nodes) const {
  for (const auto& [name, peer] : peers_) {
    auto& status = *nodes.add_nodes();
    *status.mutable_info() = peer.info;
    *status.mutable_load() = peer.load;
    status.set_state(peer.state);
    status.set_reason(peer.reason);
    status.set_age(
        std::chrono::duration<double>(clock_.Boot() - peer.heard).count());
  }
}

}  // namespace ssi
