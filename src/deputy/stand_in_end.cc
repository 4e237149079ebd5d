// How a stand-in ends: it goes on as a plain process, or as its remote ended.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cstring>

#include "deputy/cut_short.h"
#include "deputy/stand_in.h"
#include "deputy/traced_run.h"

namespace ssi {

Status StandIn::Resume() {
  if (!planted_) {
    for (const auto& thread : threads_) {
      SSI_TRY(MendCutShort(thread->tracee));
      SSI_ASSIGN(thread->image.registers, thread->tracee.GetRegisters());
    }
    return {};
  }
  SSI_TRY(StopAll());
  RemoteAddr instruction{syscall_instruction_};
  for (const auto& thread : threads_) {
    const auto& pending = thread->image.pending;
    if (pending && pending->left.count() >= 0) {
      SSI_ASSIGN(auto injector, Injector::Begin(thread->tracee, instruction));
      SSI_TRY(thread->MakeRestartBlock(injector));
      stop_pending_ |= injector.stop_pending();
    }
  }
  SSI_ASSIGN(auto injector, Injector::Begin(first().tracee, instruction));
  for (const auto& site : sites_) {
    SSI_TRY(UnmapSite(injector, *site));
  }
  // Last: its memory may be closed to us from here on.
  if (dumpable_ == 0 || dumpable_ == 1) {
    SSI_TRY(injector.MustCall(
        "PR_SET_DUMPABLE", SYS_prctl,
        {PR_SET_DUMPABLE, static_cast<std::uint64_t>(dumpable_)}));
  }
  stop_pending_ |= injector.stop_pending();
  planted_ = false;
  for (const auto& thread : threads_) {
    thread->window = nullptr;
    SSI_TRY(thread->tracee.SetOptions(kHomeOptions));
    SSI_TRY(RestoreThread(thread->tracee, thread->image));
  }
  sites_.clear();
  return {};
}

Status StandIn::Exit(int code) {
  const Tracee& tracee = first().tracee;
  SSI_TRY(StopAgent(tracee, stop_pending_));
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  SSI_TRY(tracee.SetRegisters(
      registers.ForCall(RemoteAddr{syscall_instruction_}, SYS_exit_group,
                        {static_cast<std::uint64_t>(code)})));
  return tracee.Continue();
}

Status StandIn::DieBySignal(int signal) {
  if (signal == SIGKILL) {
    ::kill(Raw(pid_), SIGKILL);
    return {};
  }
  // A core would be of the agent; 1 keeps it from a pipe too (core(5)).
  rlimit no_core{1, 1};
  ::prlimit(Raw(pid_), RLIMIT_CORE, &no_core, nullptr);
  const Tracee& tracee = first().tracee;
  SSI_TRY(StopAgent(tracee, stop_pending_));
  SSI_ASSIGN(auto injector,
             Injector::Begin(tracee, RemoteAddr{syscall_instruction_}));
  KernelSigaction by_default;
  AgentWindow& window = *first().window;
  std::memcpy(window.data().data(), &by_default, sizeof by_default);
  SSI_TRY(injector.Call(SYS_rt_sigaction, {static_cast<std::uint64_t>(signal),
                                           Raw(window.remote_data()), 0, 8}));
  SSI_TRY(tracee.SetSignalMask(~SignalBit(signal)));
  // It is in the delivery stop of our SIGTRAP, where another signal can be put
  // in its place.
  return tracee.Continue(signal);
}

bool StandIn::Hold(const StandInThread& thread, Found& left) {
  return left.Hold(thread.tracee, thread.wait, thread.image.registers);
}

bool StandIn::LeaveTraced(HostPid but, Found& left) const {
  for (const auto& thread : threads_) {
    if (!Hold(*thread, left) && thread->tid() != but) {
      left.running.insert(thread->tid());
      (void)thread->tracee.Continue();
    }
  }
  return left.Holds(but);
}

Status StandIn::Detach(Found& left) {
  bool stop = TakeStop();
  Status status;
  for (const auto& thread : threads_) {
    bool held = Hold(*thread, left);
    auto detached = held ? Status() : thread->tracee.Detach();
    if (!detached && detached.error().code == ErrorCode::kGone) {
      left.running.insert(thread->tid());
    }
    if (status && !detached) {
      status = detached;
    }
  }
  if (stop) {
    ::kill(Raw(pid_), SIGSTOP);
  }
  return status;
}

}  // namespace ssi
