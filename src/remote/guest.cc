#include "remote/guest.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "process/cpu_time.h"
#include "proto/message.h"
#include "proto/session_frames.h"
#include "remote/lacks.h"
#include "supervisor/filter.h"

namespace ssi {

namespace {

using namespace std::chrono_literals;

// A quick answer of home is worth waiting for: a sleep and a wake-up across
// CPUs cost 30 us (design, section 12).
constexpr Nanos kPollForReply = 50us;

// A process's own limits apply where its memory is. The core limit of 1 makes
// the kernel write no core here, not even to a pipe (core(5)).
Status ApplyLimits(HostPid pid, const ProcessImage& image) {
  constexpr std::array kHere = {RLIMIT_STACK, RLIMIT_DATA, RLIMIT_AS,
                                RLIMIT_MEMLOCK};
  for (auto resource : kHere) {
    const auto& limit = image.limits[static_cast<std::size_t>(resource)];
    rlimit value{limit.soft, limit.hard};
    // Above this node's hard limit: as much as there is.
    if (::prlimit(Raw(pid), resource, &value, nullptr) != 0) {
      rlimit mine{};
      ::getrlimit(resource, &mine);
      value.rlim_max = std::min(value.rlim_max, mine.rlim_max);
      value.rlim_cur = std::min(value.rlim_cur, value.rlim_max);
      ::prlimit(Raw(pid), resource, &value, nullptr);
    }
  }
  rlimit no_core{1, 1};
  // Where 1 is above the hard limit: 0, which keeps it from files.
  rlimit none{0, 0};
  if (::prlimit(Raw(pid), RLIMIT_CORE, &no_core, nullptr) != 0 &&
      ::prlimit(Raw(pid), RLIMIT_CORE, &none, nullptr) != 0) {
    return FailErrno(errno, "limits");
  }
  return {};
}

}  // namespace

Guest::Guest(Places places, Hooks hooks)
    : places_(places), hooks_(std::move(hooks)) {}

Guest::~Guest() {
  Destroy();
}

Status Guest::MakeSandbox() {
  auto sandbox = Sandbox::Make();
  if (!sandbox) {
    return std::unexpected(Lacks("sandbox", sandbox.error()));
  }
  sandbox_.emplace(*std::move(sandbox));
  SSI_ASSIGN(ClockOffsets own, OwnClockOffsets());
  auto status = sandbox_->SetClockOffsets(
      {own.monotonic + shift_.monotonic, own.boot + shift_.boot});
  if (!status) {
    return std::unexpected(Lacks("time_namespace", status.error()));
  }
  return {};
}

Status Guest::Build(const CapturedProcess& incoming, const ClockShift& shift) {
  shift_ = shift;
  incoming_ = incoming;
  followed_ = incoming.image;
  SSI_TRY(MakeSandbox());
  auto local_file = [this](std::uint32_t id) -> Result<const UniqueFd*> {
    for (const auto& file : followed_.files) {
      if (file.id == id) {
        const UniqueFd* found = places_.files.Find(file);
        if (found != nullptr) {
          return found;
        }
      }
    }
    return Fail(ErrorCode::kProtocol, "image: unknown file {}", id);
  };
  SSI_ASSIGN(auto body, Body::Build(*sandbox_, incoming, local_file));
  body_.emplace(std::move(body));
  return {};
}

Status Guest::Finish() {
  SSI_ASSIGN(auto filter, supervisor::BuildFilter(body_->own_page()));
  SSI_TRY(body_->Finish(*sandbox_, filter));
  SSI_TRY(ApplyLimits(body_->pid(), followed_));
  MakeParts();
  return {};
}

void Guest::MakeParts() {
  const ThreadImage& thread = followed_.threads[0];
  signal_state_ = SignalState(followed_.actions, thread.signal_mask);
  notifications_.emplace(body_->listener().get());
  thread_.emplace(body_->tracee(), *notifications_, body_->wait());
  forwarder_.emplace(Forwarder::Parts{places_.loop, places_.clock,
                                      places_.channel, pid(),
                                      [this](const ClockFloor& home) {
                                        return BehindHome(home);
                                      }});
  sleeper_.emplace(places_.loop, places_.clock, pid());
  signals_.emplace(
      *thread_, signal_state_,
      AwaySignals::Hooks{[this](const wire::SignalAnswer& answer) {
                           if (auto bytes = proto::EncodeMessage(answer)) {
                             places_.channel.Send(proto::session::kSignalAnswer,
                                                  0, 0, *bytes);
                           }
                         },
                         [this](const Told& told) { Tell(told); },
                         [this] {
                           calls_->InterruptLocal();
                         }});
  mapper_.emplace(FileMapper::Parts{places_.channel, *thread_, *body_,
                                    places_.files, followed_},
                  [this](const Notification& call, std::string_view reason) {
                    calls_->ComeHome(call, reason);
                  });
  calls_.emplace(
      AwayCalls::Parts{*thread_, *forwarder_, *sleeper_, *signals_,
                       signal_state_, followed_, places_.clock, pid()},
      AwayCalls::Hooks{
          [this](const Told& told) { Tell(told); },
          [this](int number, std::string_view reason) {
            hooks_.come_home(number, reason);
          },
          [this](const Notification& call) { mapper_->Begin(call); },
          [this](const Notification& call) {
            mapper_->BeginRemap(call);
          }});
  listener_watch_ = std::make_unique<ReadWatch>(
      places_.loop, body_->listener().get(), [this] { OnListener(); });
}

void Guest::Tell(const Told& told) {
  places_.channel.Send(proto::session::kTold, 0, 0,
                       std::as_bytes(std::span(&told, 1)));
}

Nanos Guest::BehindHome(const ClockFloor& home) const {
  return std::max(
      home.monotonic - (places_.clock.Monotonic() + shift_.monotonic),
      home.boot - (places_.clock.Boot() + shift_.boot));
}

// No clock may show less than the process can have read elsewhere.
Status Guest::WaitForClock(const ClockFloor& floor) const {
  constexpr Nanos kMostWait = 1s;
  Nanos behind = BehindHome(floor);
  if (behind > kMostWait) {
    return Fail(ErrorCode::kUnsupported, "the clocks differ by {} ms",
                behind / 1ms);
  }
  if (behind > Nanos(0)) {
    timespec wait{0, behind.count()};
    ::nanosleep(&wait, nullptr);
  }
  return {};
}

Status Guest::Start() {
  SSI_TRY(WaitForClock(followed_.clock_floor));
  SSI_TRY(body_->Start());
  incoming_ = {};
  started_ = true;
  thread_->DropHold(GuestThread::kHoldMove);
  return {};
}

void Guest::Freeze() {
  freezing_ = true;
  frozen_told_ = false;
  settling_ = false;
  thread_->AddHold(GuestThread::kHoldMove);
  CheckFrozen();
}

void Guest::Settle() {
  settling_ = true;
  if (thread_->place() == GuestThread::Place::kNotified) {
    forwarder_->Cancel();
    sleeper_->Interrupt();
  }
  CheckFrozen();
}

void Guest::CheckFrozen() {
  if (!freezing_) {
    return;
  }
  // A thread in a notification does not compute, and will not before it is
  // answered and stopped.
  bool still = thread_->place() != GuestThread::Place::kRunning;
  if (still && !frozen_told_) {
    frozen_told_ = true;
    asio::post(places_.loop, hooks_.frozen);
  }
  if (settling_ && thread_->Stopped() && !forwarder_->Outstanding() &&
      !mapper_->Busy()) {
    settling_ = false;
    asio::post(places_.loop, hooks_.settled);
  }
}

// From the stop at a call that comes home into the signal path, with the call
// about to be made.
Status Guest::LeaveSeccompStop() {
  const Tracee& tracee = thread_->tracee();
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  std::uint64_t number = registers.call_number();
  registers.SkipCall(0);
  SSI_TRY(tracee.SetRegisters(registers));
  SSI_TRY(tracee.Interrupt());
  SSI_TRY(tracee.Continue());
  for (;;) {
    SSI_ASSIGN(Stop stop, tracee.Wait());
    if (stop.Dead()) {
      return Fail(ErrorCode::kGone, "the process died");
    }
    if (stop.kind == Stop::Kind::kInterrupted) {
      break;
    }
    SSI_TRY(tracee.Continue(stop.kind == Stop::Kind::kSignal ? stop.value : 0));
  }
  SSI_ASSIGN(registers, tracee.GetRegisters());
  registers.RewindCall(number);
  in_seccomp_stop_ = false;
  return tracee.SetRegisters(registers);
}

Result<CapturedProcess> Guest::Capture() {
  if (in_seccomp_stop_) {
    SSI_TRY(LeaveSeccompStop());
  }
  ProcessImage known = followed_;
  known.areas.clear();
  known.actions = signal_state_.actions();  // as set here
  SSI_ASSIGN(auto registers, thread_->tracee().GetRegisters());
  known.threads[0].pending = calls_->PendingOf(registers);
  if (registers.InCall() && registers.result() == kRestartBlock &&
      !known.threads[0].pending) {
    // The one wait that the kernel makes here unseen: FUTEX_WAIT_BITSET until
    // a point in time, which is the same one wherever the call is made again.
    registers.SetInterrupted(SYS_futex, kRestartNoHand);
    SSI_TRY(thread_->tracee().SetRegisters(registers));
  }
  SSI_ASSIGN(CpuTime here, CpuTimeOf(pid()));
  SSI_ASSIGN(auto captured, body_->Capture(std::move(known)));
  captured.image.cpu_elsewhere = followed_.cpu_elsewhere + here;
  captured.image.threads[0].undelivered = signals_->Undelivered();
  captured.image.clock_floor = {places_.clock.Monotonic() + shift_.monotonic,
                                places_.clock.Boot() + shift_.boot};
  followed_.threads[0].pending = captured.image.threads[0].pending;
  return captured;
}

void Guest::Resume() {
  freezing_ = false;
  settling_ = false;
  thread_->DropHold(GuestThread::kHoldHome);
  thread_->DropHold(GuestThread::kHoldMove);
}

void Guest::Destroy() {
  over_ = true;
  listener_watch_.reset();
  calls_.reset();
  mapper_.reset();
  signals_.reset();
  sleeper_.reset();
  forwarder_.reset();
  body_.reset();
  sandbox_.reset();
}

Status Guest::OnReply(std::uint64_t id, std::span<const std::byte> payload) {
  if (!forwarder_) {
    return Fail(ErrorCode::kProtocol, "a reply before any call");
  }
  auto status = forwarder_->OnReply(id, payload);
  CheckFrozen();
  return status;
}

Status Guest::OnMapReply(const wire::MapFileReply& reply) {
  if (!mapper_) {
    return Fail(ErrorCode::kProtocol, "a map reply before any request");
  }
  auto status = mapper_->OnReply(reply);
  CheckFrozen();
  return status;
}

void Guest::OnSignal(const wire::SignalOffer& offer) {
  if (signals_ && !over_) {
    signals_->OnOffer(offer);
    CheckFrozen();
  }
}

void Guest::OnStop() {
  if (thread_) {
    thread_->AddHold(GuestThread::kHoldJobStop);
  }
}

void Guest::OnContinue() {
  if (thread_) {
    thread_->DropHold(GuestThread::kHoldJobStop);
  }
}

void Guest::OnListener() {
  auto call = notifications_->Receive();
  if (!call || !*call || over_) {
    return;
  }
  (void)fault::Hit("guest.call");
  thread_->OnNotified(**call);
  calls_->OnCall(**call);
  signals_->OnCallTaken();
  CheckFrozen();
  if (forwarder_->Outstanding()) {
    places_.channel.PollFor(kPollForReply);
  }
}

std::string Guest::WhereItIs() const {
  if (!thread_) {
    return "not started";
  }
  if (thread_->place() == GuestThread::Place::kNotified) {
    const auto* row = supervisor::FindCall(thread_->notification().number);
    return fmt::format("thread {} in {}", Raw(followed_.pid),
                       row == nullptr ? "a call" : row->name);
  }
  return fmt::format("thread {} computes", Raw(followed_.pid));
}

wire::Usage Guest::Usage() const {
  wire::Usage usage;
  if (body_) {
    if (auto used = CpuTimeOf(body_->pid())) {
      usage.set_cpu_user_ns(used->user.count());
      usage.set_cpu_system_ns(used->system.count());
    }
    usage.set_host_pid(Raw(body_->pid()));
  }
  if (calls_) {
    usage.set_local_calls(calls_->answered_here());
  }
  return usage;
}

bool Guest::HasOutstandingCall() const {
  return forwarder_ && forwarder_->Outstanding();
}

}  // namespace ssi
