#include "deputy/deputy.h"

#include <signal.h>

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "deputy/usage.h"
#include "migration/move_wire.h"
#include "proto/message.h"
#include "proto/session_frames.h"
#include "proto/tls.h"

namespace ssi {

namespace session = proto::session;

namespace {

// The reason of a move that `ssirun --on` wants.
constexpr const char* kAtStart = "--on";

}  // namespace

Deputy::Deputy(HomePlaces& places, HostPid pid, std::string command,
               Hooks hooks)
    : places_(places),
      hooks_(std::move(hooks)),
      wanted_(places.node),
      back_timer_(places.loop),
      leader_timer_(places.loop),
      end_timer_(places.loop),
      wait_timer_(places.loop),
      later_(places.loop) {
  process_.pid = pid;
  process_.command = std::move(command);
}

Deputy::~Deputy() {
  run_.reset();
  move_.reset();
}

void Deputy::Note(std::string text) {
  spdlog::info("process {} ({}): {}", Raw(process_.pid), process_.command,
               text);
  process_.history.Note(places_.clock.Real(), std::move(text));
  hooks_.changed();
}

std::string Deputy::Where() const {
  return process_.Away() && process_.session ? process_.session->node()
                                             : places_.node;
}

std::optional<std::string> Deputy::WhyNotMovable() const {
  if (process_.Away()) {
    return std::nullopt;
  }
  return ssi::WhyNotMovable(process_.pid, places_.baseline, Traced());
}

// ---- moving -----------------------------------------------------------------

void Deputy::Answer(const MoveResult& result) {
  if (auto moved = std::exchange(moved_, nullptr)) {
    MoveResult timed = result;
    timed.milliseconds = std::chrono::duration<double, std::milli>(
                             places_.clock.Monotonic() - asked_)
                             .count();
    moved(timed);
  }
}

void Deputy::Move(const std::string& node, const std::string& reason,
                  OnMoved moved) {
  if (moved_ || move_ || run_ || returning_) {
    moved({"stayed", "a move is under way already", 0});
    return;
  }
  asked_ = places_.clock.Monotonic();
  moved_ = std::move(moved);
  reason_ = reason;
  wanted_ = node;
  if (Where() == node) {
    // What it waits to come home for, or to go back, it goes on waiting for.
    Answer({"stayed", fmt::format("it is on {} already", node), 0});
    return;
  }
  back_timer_.Stop();
  if (node == places_.node) {
    came_for_.reset();
    Return(reason);
  } else if (process_.Away()) {
    Onward();
  } else {
    Depart();
  }
}

void Deputy::PlaceAtEntry(const std::string& node) {
  wanted_ = node;
  reason_ = kAtStart;
  asked_ = places_.clock.Monotonic();
  MakeRun(process_.pid, TracedRun::Until::kEntry);
  run_->Begin();
}

void Deputy::Depart() {
  if (auto why = WhyNotMovable()) {
    GiveUpDeparture(*why);
    return;
  }
  OpenSession(process_.session, Session::FirstImage::kOfHome,
              [this](Status status) {
                if (ended_) {
                  return;
                }
                if (!status) {
                  GiveUpDeparture(status.error().message);
                  return;
                }
                HomeMove::Plan plan;
                plan.direction = migration::Direction::kDeparture;
                plan.node = wanted_;
                plan.reason = reason_;
                BeginMove(std::move(plan));
              });
}

void Deputy::OpenSession(std::unique_ptr<Session>& session,
                         Session::FirstImage first,
                         std::function<void(Status)> then) {
  bool reuse = first == Session::FirstImage::kOfHome && session &&
               session->node() == wanted_ && session->Whole();
  if (reuse) {
    then({});
    return;
  }
  session.reset();
  (void)fault::Hit("home.opening");
  wire::OpenSession request;
  request.set_node(wanted_);
  request.set_home(places_.node);
  request.set_pid(Raw(process_.pid));
  request.set_command(process_.command);
  request.set_grace_seconds(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(places_.grace).count()));
  places_.open_session(
      request, [this, &session, first, then = std::move(then),
                node = wanted_](Result<wire::SessionOpened> where) {
        if (!where) {
          then(std::unexpected(where.error()));
          return;
        }
        (void)fault::Hit("home.connecting");
        session = std::make_unique<Session>(places_.loop, places_.clock, node,
                                            places_.grace, *where, first,
                                            HooksOf(node, then));
      });
  proto::PrepareTls();  // while the other node opens the session
}

bool Deputy::IsOther(const std::string& node) const {
  return !process_.session || process_.session->node() != node;
}

Session::Hooks Deputy::HooksOf(const std::string& node,
                               std::function<void(Status)> opened) {
  Session::Hooks hooks;
  hooks.opened = std::move(opened);
  hooks.on_frame = [this, node](const proto::FrameHeader& header,
                                std::span<const std::byte> payload) {
    if (IsOther(node)) {
      OnOtherFrame(header, payload);
    } else {
      OnFrame(header, payload);
    }
  };
  hooks.lost = [this, node](const Error& error) {
    OnSessionLost(node, error);
  };
  hooks.back = [this, node](Nanos after) {
    OnSessionBack(node, after);
  };
  hooks.closed = [this, node](const Error& error) {
    if (IsOther(node)) {
      OnOtherClosed(error);
    } else {
      OnSessionClosed(error);
    }
  };
  return hooks;
}

void Deputy::BeginMove(HomeMove::Plan plan) {
  HomeMove::Hooks hooks;
  hooks.away = [this] {
    BecomeAway();
  };
  hooks.home = [this] {
    BecomeHome();
  };
  hooks.switched = [this] {
    SwitchSessions();
  };
  hooks.resumed = [this] {
    OnResumed();
  };
  hooks.finished = [this](migration::Outcome outcome,
                          const std::string& reason) {
    OnMoveFinished(outcome, reason);
  };
  move_ = std::make_unique<HomeMove>(places_, process_, std::move(plan),
                                     std::move(hooks));
  move_->Begin();
  hooks_.changed();
}

void Deputy::GiveUpDeparture(const std::string& reason) {
  if (!moved_ && reason_ == kAtStart) {
    // Nobody asks ssirun --on for a result; the user must know all the same.
    spdlog::warn("{} runs at home: {}", process_.command, reason);
  }
  Note(fmt::format("not moved to {}: {}", wanted_, reason));
  if (process_.found.stopped) {
    LetRun();
  }
  Answer({"stayed", reason, 0});
}

void Deputy::Return(const std::string& reason) {
  HomeMove::Plan plan;
  plan.direction = migration::Direction::kReturn;
  plan.node = Where();
  plan.reason = reason;
  if (process_.group_stop.stopped) {
    Answer({"stayed", "it is stopped", 0});
    return;
  }
  if (process_.session && process_.session->Renewing()) {
    returning_ = true;
    process_.session->WhenRenewed([this, reason] {
      returning_ = false;
      if (!ended_ && !move_ && process_.Away()) {
        Return(reason);
      }
    });
    return;
  }
  if (!process_.session || !process_.session->Whole()) {
    bool lost = process_.session && !process_.session->Connected();
    if (process_.session) {
      process_.session->RenewBulk();
    }
    std::string why =
        lost ? fmt::format("the connection to {} is lost and being made anew",
                           Where())
             : "the connection for its memory is being made anew";
    Answer({"stayed", why, 0});
    AfterFailedMove(plan.direction, why);
    return;
  }
  Hold(std::move(plan));
}

// What arrives here for a process that is about to leave a node waits.
void Deputy::Hold(HomeMove::Plan plan) {
  returning_ = true;
  process_.threads.Hold([this, plan = std::move(plan)] {
    later_.Call([this, plan] {
      returning_ = false;
      if (!ended_ && !move_) {
        BeginMove(plan);
      }
    });
  });
}

// The other end gives up the session of a departure that failed: the next one
// needs a fresh one. A process that waits to come home tries again.
void Deputy::AfterFailedMove(migration::Direction direction,
                             const std::string& reason) {
  if (direction == migration::Direction::kDeparture) {
    DropIdleSession();
    return;
  }
  if (direction == migration::Direction::kOnward) {
    DropOtherSession();
  }
  constexpr Nanos kAgain = std::chrono::milliseconds(200);
  constexpr int kTold = 5;
  if (come_home_) {
    if (++home_failures_ == kTold) {
      spdlog::warn(
          "process {} ({}) is to come home: {}; it could not: {}; it "
          "goes on trying",
          Raw(process_.pid), process_.command, come_home_->reason(), reason);
    }
    back_timer_.Start(kAgain, [this] { AnswerComeHome(); });
  }
}

void Deputy::AfterMove(migration::Direction direction) {
  if (direction == migration::Direction::kDeparture) {
    return;
  }
  if (direction == migration::Direction::kReturn) {
    come_home_.reset();
  } else {
    process_.session->RenewBulk();
    if (process_.other_session && process_.other_session->Open()) {
      // It is dropped when it says that it has ended.
      process_.other_session->channel().Send(session::kEnd, 0, 0,
                                             std::span<const std::byte>());
    } else {
      DropOtherSession();
    }
  }
}

void Deputy::OnMoveFinished(migration::Outcome outcome,
                            const std::string& reason) {
  migration::Direction direction = move_->plan().direction;
  bool departs = direction == migration::Direction::kDeparture;
  (void)fault::Hit("home.finished");
  move_.reset();
  const auto& hops = process_.history.moves();
  if (!hops.empty()) {
    spdlog::info("process {} ({}): {}", Raw(process_.pid), process_.command,
                 process_.history.lines().back().text);
  }
  hooks_.changed();
  switch (outcome) {
    case migration::Outcome::kMoved:
      AfterMove(direction);
      Answer({"moved", "", 0});
      AnswerComeHome();
      return;
    case migration::Outcome::kStayed:
      if (!moved_ && departs && reason_ == kAtStart) {
        spdlog::warn("{} runs at home: {}", process_.command, reason);
      }
      if (!departs) {
        process_.threads.Release();
      } else if (process_.found.stopped) {
        LetRun();  // refused before anything of it was touched
      } else {
        WatchWaits();  // it could not be frozen
      }
      Answer({"stayed", reason, 0});
      AfterFailedMove(direction, reason);
      return;
    case migration::Outcome::kLost:
      Answer({"lost", reason, 0});
      hooks_.lost(fmt::format("{}; process {} ({}) is lost", reason,
                              Raw(process_.pid), process_.command));
      return;
    case migration::Outcome::kEnded:
      Answer({"ended", reason, 0});
      return;
  }
}

// The stand-in is empty and serves.
void Deputy::BecomeAway() {
  arrived_away_ = places_.clock.Monotonic();
  returning_ = false;
  usage_ = {};
  if (!cpu_limit_) {
    WatchCpuLimit();
  }
  for (const auto& thread : process_.stand_in->threads()) {
    AddThread(*thread);
  }
  WatchCpuTimers();
}

// A departure was given up after the freeze.
void Deputy::OnResumed() {
  if (came_for_) {
    came_for_.reset();
  }
  LetRun();
}

void Deputy::LetRun() {
  if (process_.stand_in) {
    auto status = process_.stand_in->Detach(process_.found);
    if (!status && status.error().code != ErrorCode::kGone) {
      spdlog::error("process {}: {}", Raw(process_.pid),
                    status.error().message);
    }
    process_.stand_in.reset();
  }
  if (auto stopped = std::exchange(process_.found.stopped, std::nullopt)) {
    LetGo(*stopped, 0);
  }
  for (HostPid running : process_.found.running) {
    if (!process_.found.Holds(running)) {
      (void)Tracee(running).Interrupt();  // it is let go when it stops
    }
  }
  WatchWaits();
  hooks_.changed();
}

void Deputy::BecomeHome() {
  process_.cpu_timers.reset();
  process_.history.CountCalls(CallsOf(usage_));
  usage_ = {};  // of its CPU time the image told exactly
  if (came_for_ && wanted_ != places_.node) {
    bool held = process_.stand_in->LeaveTraced(came_by_, process_.found) ||
                process_.found.HoldFromStart(process_.pid, Tracee(came_by_),
                                             static_cast<int>(*came_for_),
                                             places_.clock.Monotonic());
    process_.stand_in.reset();
    WatchWaits();
    MakeRun(came_by_, TracedRun::Until::kCallOver);
    if (!held) {
      run_->Begin();
    }
    return;
  }
  came_for_.reset();
  LetRun();
}

void Deputy::MakeRun(HostPid thread, TracedRun::Until until) {
  run_ = std::make_unique<TracedRun>(
      Tracee(thread), process_.pid, until,
      [this](TracedRun::Result result) { OnTracedRunDone(result); });
}

void Deputy::OnTracedRunDone(TracedRun::Result result) {
  // Not while the run is on the stack.
  later_.Call([this, result] {
    if (ended_) {
      return;
    }
    HostPid stopped = run_->thread();
    run_.reset();
    bool came = std::exchange(came_for_, std::nullopt).has_value();
    if (result == TracedRun::Result::kLetGo) {
      Note("a program with privilege of its own runs at home, untraced");
      return;
    }
    process_.found.stopped = stopped;
    if (came && stay_home_ > Nanos(0)) {
      GoBackLater();
      return;
    }
    if (came) {
      reason_ = "back after a call at home";
    }
    Depart();
  });
}

void Deputy::GoBackLater() {
  LetRun();
  back_timer_.Start(stay_home_, [this] {
    if (!ended_ && !move_ && !process_.Away() && wanted_ != places_.node) {
      reason_ = "back after calls at home";
      Depart();
    }
  });
}

}  // namespace ssi
