#include "migration/move_wire.h"

namespace ssi::migration {

namespace {

std::string Cut(const std::string& text) {
  return text.substr(0, kMostText);
}

struct Writer {
  wire::Move& out;
  const wire::AskDetails& details;

  void operator()(const Ask& ask) const {
    auto& to = *out.mutable_ask();
    to.set_version(ask.version);
    to.set_features(ask.features);
    to.set_size(ask.size);
    to.set_reason(ask.reason);
    *to.mutable_details() = details;
  }
  void operator()(const Accept& accept) const {
    out.mutable_accept()->set_route(accept.route);
  }
  void operator()(const Refuse& refuse) const {
    out.mutable_refuse()->set_reason(refuse.reason);
  }
  void operator()(const Freeze& freeze) const {
    out.mutable_freeze()->set_route(freeze.route);
  }
  void operator()(const Held& held) const {
    out.mutable_held()->set_checksum(Raw(held.checksum));
  }
  void operator()(const Resumed& resumed) const {
    out.mutable_resumed()->set_reason(resumed.reason);
  }
  void operator()(const Died& died) const {
    out.mutable_died()->set_reason(died.reason);
  }
  void operator()(const Ready& ready) const {
    out.mutable_ready()->set_checksum(Raw(ready.checksum));
  }
  void operator()(const Failed& failed) const {
    out.mutable_failed()->set_reason(failed.reason);
  }
  void operator()(const Go&) const { out.mutable_go(); }
  void operator()(const Running&) const { out.mutable_running(); }
  void operator()(const Abort& abort) const {
    out.mutable_abort()->set_reason(abort.reason);
  }
  void operator()(const Destroy& destroy) const {
    out.mutable_destroy()->set_why(static_cast<std::uint32_t>(destroy.why));
    out.mutable_destroy()->set_reason(destroy.reason);
  }
};

Result<Role> RoleFrom(const std::string& name) {
  for (Role role : {Role::kHome, Role::kSource, Role::kTarget}) {
    if (name == NameOf(role)) {
      return role;
    }
  }
  return Fail(ErrorCode::kProtocol, "move: unknown role");
}

Result<Message> MessageFrom(const wire::Move& in) {
  MoveId move{in.move()};
  switch (in.what_case()) {
    case wire::Move::kAsk:
      return Ask{move, Cut(in.ask().version()), Cut(in.ask().features()),
                 in.ask().size(), Cut(in.ask().reason())};
    case wire::Move::kAccept:
      return Accept{move, Cut(in.accept().route())};
    case wire::Move::kRefuse:
      return Refuse{move, Cut(in.refuse().reason())};
    case wire::Move::kFreeze:
      return Freeze{move, Cut(in.freeze().route())};
    case wire::Move::kHeld:
      return Held{move, Checksum{in.held().checksum()}};
    case wire::Move::kResumed:
      return Resumed{move, Cut(in.resumed().reason())};
    case wire::Move::kDied:
      return Died{move, Cut(in.died().reason())};
    case wire::Move::kReady:
      return Ready{move, Checksum{in.ready().checksum()}};
    case wire::Move::kFailed:
      return Failed{move, Cut(in.failed().reason())};
    case wire::Move::kGo:
      return Go{move};
    case wire::Move::kRunning:
      return Running{move};
    case wire::Move::kAbort:
      return Abort{move, Cut(in.abort().reason())};
    case wire::Move::kDestroy:
      if (in.destroy().why() > static_cast<std::uint32_t>(Outcome::kEnded)) {
        break;
      }
      return Destroy{move, static_cast<Outcome>(in.destroy().why()),
                     Cut(in.destroy().reason())};
    case wire::Move::WHAT_NOT_SET:
      break;
  }
  return Fail(ErrorCode::kProtocol, "move: unknown message");
}

}  // namespace

void ToWire(Role from, const Message& message, const wire::AskDetails& details,
            wire::Move& out) {
  out.set_move(Raw(MoveOf(message)));
  out.set_from(NameOf(from));
  std::visit(Writer{out, details}, message);
}

Result<ReceivedMove> FromWire(const wire::Move& in) {
  SSI_ASSIGN(Role from, RoleFrom(in.from()));
  SSI_ASSIGN(Message message, MessageFrom(in));
  if (SenderOf(message) != from) {
    return Fail(ErrorCode::kProtocol, "move: {} from the {}", NameOf(message),
                NameOf(from));
  }
  return ReceivedMove{from, std::move(message)};
}

}  // namespace ssi::migration
