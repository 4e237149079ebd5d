// Stops of the process, and how it ends: here, elsewhere, or lost with a node.
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
  if (process_.home_signals) {
    process_.home_signals->GiveUpOffer();  // or its stop would never come
  }
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

void Deputy::OnSessionClosed(const Error& error) {
  std::string node = Where();
  if (ended_ || ending_like_) {
    process_.session.reset();
    return;
  }
  if (move_ && !move_->Over()) {
    move_->OnLinkLost(error.message);
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

void Deputy::OnAlarm() {
  if (process_.executor) {
    process_.executor->Poll();
  }
}

void Deputy::OnStop(const Stop& stop) {
  if (stop.Dead()) {
    OnEnded(stop);
    return;
  }
  if (run_) {
    if (stop.kind == Stop::Kind::kGroupStop) {
      hooks_.stopped(stop.value);
    } else if (stop.kind == Stop::Kind::kInterrupted) {
      hooks_.continued();
    }
    run_->OnStop(stop);
    return;
  }
  if (process_.home_signals && !ending_like_) {
    process_.home_signals->OnStop(stop);
    OnAlarm();
    return;
  }
  Tracee tracee(process_.pid);
  if (ending_like_) {
    // The signal that ends it.
    (void)tracee.Continue(stop.kind == Stop::Kind::kSignal ? stop.value : 0);
    return;
  }
  if (std::exchange(process_.lingering, false)) {
    (void)tracee.Detach(stop.kind == Stop::Kind::kSignal ? stop.value : 0);
    hooks_.changed();
    return;
  }
  if (process_.stand_in && stop.kind == Stop::Kind::kSignal &&
      stop.value == SIGSTOP) {
    process_.stand_in->StopLater();
    (void)tracee.Continue();
    return;
  }
  (void)tracee.Continue(stop.kind == Stop::Kind::kSignal ? stop.value : 0);
}

void Deputy::OnEnded(const Stop& stop) {
  if (ended_) {
    return;
  }
  ended_ = true;
  back_timer_.Stop();
  cpu_limit_.reset();
  EndRemote();
  SettleUsage();
  if (process_.calls) {
    process_.history.CountHomeCalls(process_.calls->counts());
  }
  if (move_) {
    move_->OnProcessGone(stop.Describe());
  }
  Answer({"ended", "the process ended", 0});
}

}  // namespace ssi
