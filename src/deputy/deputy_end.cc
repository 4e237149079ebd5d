// How the process ends: here, elsewhere, or lost with a node.
#include <signal.h>

#include <spdlog/spdlog.h>

#include "deputy/deputy.h"
#include "migration/move_wire.h"
#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

namespace session = proto::session;

Status Deputy::OnExit(std::span<const std::byte> payload) {
  wire::Exit exit;
  SSI_TRY(proto::DecodeMessage(payload, exit));
  if (!process_.Away() || ending_like_) {
    return {};
  }
  if (!exit.reason().empty()) {
    auto reason = fmt::format("ended on {}: {}", Where(),
                              exit.reason().substr(0, migration::kMostText));
    spdlog::error("process {} ({}) was {}", Raw(process_.pid), process_.command,
                  reason);
    process_.history.Note(places_.clock.Real(), reason);
  }
  EndLike(exit);
  return {};
}

// The stand-in ends as its remote did: parents, waits and exit statuses are
// the kernel's own.
void Deputy::EndLike(const wire::Exit& exit) {
  ending_like_ = true;
  WatchEnd();
  process_.threads.GiveUpOffers();  // or their stops would never come
  auto status = exit.killed() ? process_.stand_in->DieBySignal(exit.code())
                              : process_.stand_in->Exit(exit.code());
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("process {} cannot end as it did: {}", Raw(process_.pid),
                  status.error().message);
    ::kill(Raw(process_.pid), SIGKILL);
  }
}

void Deputy::EndRemote() {
  if (process_.session && process_.session->Open()) {
    process_.session->channel().Send(session::kEnd, 0, 0,
                                     std::span<const std::byte>());
  }
}

// What was done or said up to now waits for the next connection, which the
// session makes. A move that has not been committed is given up: it goes on
// where it was.
void Deputy::OnSessionLost(const std::string& node, const Error& error) {
  spdlog::debug("process {}: {}", Raw(process_.pid), error.message);
  bool other = IsOther(node);
  if (move_ || (process_.Away() && !other)) {
    Note(fmt::format("connection to {} lost, reconnecting", node));
  }
  if (move_ && !move_->Over()) {
    move_->OnDisconnected(
        fmt::format("the connection to {} was lost: {}", node, error.message));
  }
  if (other) {
    return;  // until it says that it has ended, or is closed
  }
  if (process_.session && process_.session->AllArrived()) {
    DropIdleSession();
  }
}

void Deputy::OnSessionBack(const std::string& node, Nanos after) {
  bool other = IsOther(node);
  if (move_ || (process_.Away() && !other)) {
    Note(fmt::format("connection to {} is back after {:.1f} s", node,
                     std::chrono::duration<double>(after).count()));
  }
  if (!other) {
    DropIdleSession();
    AnswerComeHome();
  }
}

// A process at home needs no session; the next departure opens another one.
void Deputy::DropIdleSession() {
  later_.Call([this] {
    if (!process_.Away() && !move_ && process_.session &&
        (process_.session->Connected() || process_.session->AllArrived())) {
      process_.session.reset();
    }
  });
}

void Deputy::DropOtherSession() {
  // Not from inside one of its callbacks.
  later_.Call([this] {
    if (!move_) {
      process_.other_session.reset();
    }
  });
}

void Deputy::OnOtherClosed(const Error& error) {
  if (move_ && !move_->Over()) {
    move_->OnLinkLost(HomeMove::Link::kOther, error.message);
  } else {
    DropOtherSession();
  }
}

void Deputy::OnSessionClosed(const Error& error) {
  std::string node = Where();
  if (ended_ || ending_like_) {
    process_.session.reset();
    return;
  }
  if (move_ && !move_->Over()) {
    move_->OnLinkLost(HomeMove::Link::kOfProcess, error.message);
    return;
  }
  if (!process_.Away()) {
    process_.session.reset();
    return;
  }
  std::string reason =
      fmt::format("node {}: {}; process {} ({}) computed there and is lost",
                  node, error.message, Raw(process_.pid), process_.command);
  Note(reason);
  hooks_.lost(reason);
}

void Deputy::OnEnded() {
  if (ended_) {
    return;
  }
  ended_ = true;
  back_timer_.Stop();
  leader_timer_.Stop();
  end_timer_.Stop();
  wait_timer_.Stop();
  cpu_limit_.reset();
  process_.cpu_timers.reset();
  EndRemote();
  SettleUsage();
  process_.history.CountHomeCalls(process_.threads.Counts());
  if (move_) {
    move_->OnProcessGone("it ended");
  }
  Answer({"ended", "the process ended", 0});
}

}  // namespace ssi
