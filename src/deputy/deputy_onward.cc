// From one node away straight to another.
#include "base/fault.h"
#include "deputy/deputy.h"
#include "migration/move_wire.h"
#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

namespace session = proto::session;

void Deputy::Onward() {
  if (process_.group_stop.stopped) {
    Answer({"stayed", "it is stopped", 0});
    return;
  }
  if (!process_.session || !process_.session->Connected()) {
    std::string reason = fmt::format(
        "the connection to {} is lost and being made anew", Where());
    Answer({"stayed", reason, 0});
    AfterFailedMove(migration::Direction::kReturn, reason);
    return;
  }
  came_for_.reset();
  returning_ = true;
  OpenSession(process_.other_session, Session::FirstImage::kOfOther,
              [this](Status status) {
                if (ended_) {
                  return;
                }
                if (status) {
                  PrepareOnward();
                } else {
                  GiveUpOnward(status.error().message);
                }
              });
}

// Its node connects to the other one while it still runs.
void Deputy::PrepareOnward() {
  auto where = proto::EncodeMessage(process_.other_session->where());
  if (!where || !process_.Away() || !process_.session) {
    GiveUpOnward("it is away no more");
    return;
  }
  (void)fault::Hit("home.onward");
  connecting_ = true;
  process_.session->channel().Send(session::kOnward, 0, 0, *where);
}

Status Deputy::OnOnwardReady(std::span<const std::byte> payload) {
  wire::OnwardReady ready;
  SSI_TRY(proto::DecodeMessage(payload, ready));
  if (!std::exchange(connecting_, false) || ended_) {
    return {};
  }
  if (!ready.error().empty() || !process_.other_session ||
      !process_.other_session->Open()) {
    GiveUpOnward(ready.error().empty()
                     ? fmt::format("the connection to {} is lost", wanted_)
                     : ready.error().substr(0, migration::kMostText));
    return {};
  }
  HomeMove::Plan plan;
  plan.direction = migration::Direction::kOnward;
  plan.from = Where();
  plan.node = wanted_;
  plan.reason = reason_;
  plan.size = usage_.memory();
  Hold(std::move(plan));
  return {};
}

void Deputy::GiveUpOnward(const std::string& reason) {
  returning_ = false;
  Note(fmt::format("not moved to {}: {}", wanted_, reason));
  Answer({"stayed", reason, 0});
  AfterFailedMove(migration::Direction::kOnward, reason);
}

// GO is about to be said: from now on the process is at the other session's
// node, or lost. The one that it leaves said last what it used there.
void Deputy::SwitchSessions() {
  SettleUsage();
  std::swap(process_.session, process_.other_session);
  // Asked again where it is from now on, maybe before the end of this move is
  // looked at.
  come_home_.reset();
  arrived_away_ = places_.clock.Monotonic();
}

}  // namespace ssi
