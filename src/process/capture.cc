#include "process/capture.h"

#include <cpuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "process/memory.h"
#include "process/stat_fields.h"

// Newer than Debian 12's headers (uapi/linux/prctl.h, membarrier.h).
#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66  // NOLINT: the kernel's name
#endif

namespace ssi {

namespace {

constexpr std::uint64_t kMembarrierGetRegistrations = 1U << 9;  // Linux 6.3
constexpr std::size_t kSigsetSize = 8;
constexpr std::uint64_t kArchGetXcompPerm = 0x1022;  // Linux 5.16

// struct rseq (uapi/linux/rseq.h): rseq_cs is at 8.
constexpr std::uint64_t kRseqCsOffset = 8;
struct RseqCriticalSection {
  std::uint32_t version;
  std::uint32_t flags;
  std::uint64_t start_ip;
  std::uint64_t post_commit_offset;
  std::uint64_t abort_ip;
};
static_assert(sizeof(RseqCriticalSection) == 32);

Status AbortCriticalSection(const Tracee& tracee, ThreadImage& thread) {
  RemoteAddr pointer = RemoteAddr{thread.rseq.area + kRseqCsOffset};
  SSI_ASSIGN(auto section_at, ReadObject<std::uint64_t>(tracee.pid(), pointer));
  if (section_at == 0) {
    return {};
  }
  auto section =
      ReadObject<RseqCriticalSection>(tracee.pid(), RemoteAddr{section_at});
  if (!section) {
    return {};  // the kernel would kill it with SIGSEGV; that is its own affair
  }
  if (Raw(thread.registers.ip()) - section->start_ip <
      section->post_commit_offset) {
    thread.registers.set_ip(RemoteAddr{section->abort_ip});
    SSI_TRY(tracee.SetRegisters(thread.registers));
  }
  return WriteObject<std::uint64_t>(tracee.pid(), pointer, 0);
}

Status CaptureRseq(const Tracee& tracee, ThreadImage& thread) {
  auto rseq = tracee.GetRseq();
  if (!rseq && rseq.error().code == ErrorCode::kUnsupported) {
    return {};
  }
  if (!rseq) {
    return std::unexpected(rseq.error());
  }
  thread.rseq = *rseq;
  return thread.rseq.area == 0 ? Status()
                               : AbortCriticalSection(tracee, thread);
}

Status CaptureRobustList(HostPid pid, ThreadImage& thread) {
  std::uint64_t head = 0;
  std::uint64_t size = 0;
  if (::syscall(SYS_get_robust_list, Raw(pid), &head, &size) != 0) {
    return FailErrno(errno, "get_robust_list of {}", Raw(pid));
  }
  thread.robust_list = head;
  thread.robust_list_size = size;
  return {};
}

Status ReadLayout(HostPid pid, MemoryLayout& layout) {
  SSI_ASSIGN(auto stat, StatFields::Read(pid));
  struct Field {
    std::size_t number;  // as in proc(5)
    std::uint64_t MemoryLayout::*member;
  };
  static constexpr std::array kFields = {Field{26, &MemoryLayout::start_code},
                                         Field{27, &MemoryLayout::end_code},
                                         Field{28, &MemoryLayout::start_stack},
                                         Field{45, &MemoryLayout::start_data},
                                         Field{46, &MemoryLayout::end_data},
                                         Field{47, &MemoryLayout::start_brk},
                                         Field{48, &MemoryLayout::arg_start},
                                         Field{49, &MemoryLayout::arg_end},
                                         Field{50, &MemoryLayout::env_start},
                                         Field{51, &MemoryLayout::env_end}};
  for (const auto& field : kFields) {
    auto value = stat.Unsigned(field.number);
    if (!value) {
      return Fail(ErrorCode::kUnsupported, "/proc/PID/stat has no field {}",
                  field.number);
    }
    layout.*field.member = *value;
  }
  return {};
}

Status CaptureLimits(HostPid pid, ProcessImage& image) {
  for (std::size_t i = 0; i < kLimitCount; ++i) {
    rlimit limit{};
    if (::prlimit(Raw(pid), static_cast<__rlimit_resource>(i), nullptr,
                  &limit) != 0) {
      return FailErrno(errno, "limits of {}", Raw(pid));
    }
    image.limits[i] = {limit.rlim_cur, limit.rlim_max};
  }
  return {};
}

}  // namespace

Result<ThreadImage> CaptureThread(const Tracee& tracee, HomePid tid) {
  ThreadImage thread;
  thread.tid = tid;
  SSI_ASSIGN(thread.registers, tracee.GetRegisters());
  SSI_ASSIGN(thread.extended_state, tracee.GetExtendedState());
  SSI_ASSIGN(thread.signal_mask, tracee.GetSignalMask());
  SSI_TRY(CaptureRseq(tracee, thread));
  SSI_TRY(CaptureRobustList(tracee.pid(), thread));
  // Each thread has its own. Where it cannot be read, it stays the default.
  auto personality =
      ReadFile(fmt::format("/proc/{}/personality", Raw(tracee.pid())));
  if (personality) {
    thread.personality = ParseNumber<std::int64_t>(
                             std::string_view(*personality)
                                 .substr(0, personality->find_first_of(" \n")),
                             16)
                             .value_or(-1);
  }
  return thread;
}

Status CaptureFromProc(HostPid living, ProcessImage& image) {
  std::string base = fmt::format("/proc/{}/", Raw(living));
  SSI_TRY(ReadLayout(living, image.layout));
  SSI_ASSIGN(std::string auxv, ReadFile(base + "auxv"));
  auto bytes = std::as_bytes(std::span(auxv));
  image.layout.auxv.assign(bytes.begin(), bytes.end());
  SSI_ASSIGN(std::string status, ReadFile(base + "status"));
  constexpr std::string_view kNoNewPrivs = "NoNewPrivs:\t";
  if (auto at = status.find(kNoNewPrivs); at != std::string::npos) {
    image.states.no_new_privs = status[at + kNoNewPrivs.size()] - '0';
  }
  for (auto& thread : image.threads) {
    SSI_ASSIGN(std::string name,
               ReadFile(fmt::format("/proc/{}/comm", Raw(thread.tid))));
    if (name.ends_with('\n')) {
      name.pop_back();
    }
    thread.name = std::move(name);
  }
  return CaptureLimits(living, image);
}

Status CaptureByCalls(CallRunner& runner, ProcessImage& image) {
  SSI_TRY(CaptureMovingParts(runner, image));
  constexpr std::uint64_t kSlot = sizeof(KernelSigaction);
  std::vector<AgentCall> calls;
  for (std::uint64_t i = 0; i < kSignalCount; ++i) {
    calls.push_back({SYS_rt_sigaction,
                     {i + 1, 0, Raw(runner.space()) + i * kSlot, kSigsetSize},
                     0});
  }
  calls.push_back({SYS_prctl, {PR_GET_DUMPABLE}, 0});
  SSI_TRY(runner.Run(calls));
  for (std::size_t i = 0; i < kSignalCount; ++i) {
    SSI_TRY(runner.Get(
        i * kSlot, std::as_writable_bytes(std::span(&image.actions[i], 1))));
  }
  image.states.dumpable = std::max(calls.back().result, std::int64_t{-1});
  return {};
}

Result<std::int64_t> AllocatedKeys(CallRunner& runner) {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kOspke = 1U << 4;  // in ECX of leaf 7
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 ||
      (ecx & kOspke) == 0) {
    return -1;
  }
  // The page after the last one: never mapped. For an allocated key that is the
  // error, for another one the key is (mm/mprotect.c, do_mprotect_pkey).
  constexpr std::uint64_t kNowhere = 0x7fff'ffff'f000;
  constexpr std::uint64_t kMostKeys = 15;
  std::vector<AgentCall> calls;
  for (std::uint64_t key = 1; key <= kMostKeys; ++key) {
    calls.push_back(
        {SYS_pkey_mprotect, {kNowhere, kPageSize, PROT_NONE, key}, 0});
  }
  SSI_TRY(runner.Run(calls));
  std::int64_t keys = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    keys |= calls[i].result == -ENOMEM ? std::int64_t{2} << i : 0;
  }
  return keys;
}

namespace {

struct StateCall {
  std::uint64_t number;
  CallArgs args;
  std::int64_t ProcessStates::*member;
};
// What the program can set anew wherever it is; an error is "not known".
const std::array kStateCalls = {
    StateCall{SYS_prctl, {PR_GET_THP_DISABLE}, &ProcessStates::thp_disable},
    StateCall{SYS_prctl, {PR_GET_TIMERSLACK}, &ProcessStates::timer_slack},
    StateCall{SYS_prctl, {PR_GET_MDWE}, &ProcessStates::mdwe},
    StateCall{SYS_membarrier,
              {kMembarrierGetRegistrations},
              &ProcessStates::membarrier}};

Status CaptureStates(CallRunner& runner, ProcessStates& states) {
  std::vector<AgentCall> calls;
  for (const auto& state : kStateCalls) {
    calls.push_back({state.number, state.args, 0});
  }
  calls.push_back(
      {SYS_arch_prctl, {kArchGetXcompPerm, Raw(runner.space())}, 0});
  SSI_TRY(runner.Run(calls));
  for (std::size_t i = 0; i < kStateCalls.size(); ++i) {
    states.*kStateCalls[i].member = std::max(calls[i].result, std::int64_t{-1});
  }
  if (calls.back().result == 0) {
    SSI_TRY(runner.Get(
        0, std::as_writable_bytes(std::span(&states.extended_features, 1))));
  }
  SSI_ASSIGN(states.protection_keys, AllocatedKeys(runner));
  return {};
}

// The local descriptor table, which next to no program has. The kernel says
// neither its size nor what of it is in use.
Status CaptureDescriptors(CallRunner& runner, ProcessImage& image) {
  constexpr std::size_t kMost = 3968;  // fits into the page of a body
  constexpr std::uint64_t kRead = 0;
  std::array<AgentCall, 1> call = {
      AgentCall{SYS_modify_ldt, {kRead, Raw(runner.space()), kMost}, 0}};
  SSI_TRY(runner.Run(call));
  image.descriptors.clear();
  if (call[0].result <= 0) {
    return {};  // none, or a kernel without any
  }
  image.descriptors.resize(kMost / sizeof(std::uint64_t));
  SSI_TRY(runner.Get(0, std::as_writable_bytes(std::span(image.descriptors))));
  return image.descriptors.back() == 0
             ? Status()
             : Fail(ErrorCode::kUnsupported,
                    "its local descriptor table is too large");
}

}  // namespace

Status CaptureMovingParts(CallRunner& runner, ProcessImage& image) {
  SSI_TRY(CaptureStates(runner, image.states));
  SSI_TRY(CaptureDescriptors(runner, image));
  std::array<AgentCall, 1> calls = {AgentCall{SYS_brk, {0}, 0}};
  SSI_TRY(runner.Run(calls));
  image.layout.brk = static_cast<std::uint64_t>(calls[0].result);
  return {};
}

namespace {
constexpr std::uint64_t kTidAnswer = 32;
constexpr std::uint64_t kTscAnswer = 40;
}  // namespace

std::array<AgentCall, 3> ThreadQuestions(RemoteAddr space) {
  return {
      AgentCall{SYS_sigaltstack, {0, Raw(space)}, 0},
      AgentCall{SYS_prctl, {PR_GET_TID_ADDRESS, Raw(space + kTidAnswer)}, 0},
      AgentCall{SYS_prctl, {PR_GET_TSC, Raw(space + kTscAnswer)}, 0}};
}

Status TakeThreadAnswers(CallRunner& runner, std::span<const AgentCall> answers,
                         ThreadImage& thread) {
  for (const auto& answer : answers) {
    if (answer.result != 0) {
      return FailErrno(static_cast<int>(-answer.result), "state of thread {}",
                       Raw(thread.tid));
    }
  }
  KernelStack& stack = thread.alternate_stack;
  SSI_TRY(runner.Get(0, std::as_writable_bytes(std::span(&stack, 1))));
  // SS_ONSTACK is computed from the stack pointer, never set.
  constexpr std::uint32_t kOnStack = 1;
  stack.flags &= ~kOnStack;
  std::int32_t tsc = 0;
  SSI_TRY(runner.Get(kTscAnswer, std::as_writable_bytes(std::span(&tsc, 1))));
  thread.tsc_mode = tsc;
  return runner.Get(kTidAnswer, std::as_writable_bytes(
                                    std::span(&thread.clear_child_tid, 1)));
}

void AddUnregister(CallBatch& batch, const ThreadImage& thread) {
  if (thread.rseq.area != 0) {
    batch.Add("rseq unregister", SYS_rseq,
              {thread.rseq.area, thread.rseq.size, kRseqFlagUnregister,
               thread.rseq.signature});
  }
  if (thread.robust_list != 0) {
    batch.Add("set_robust_list", SYS_set_robust_list,
              {0, thread.robust_list_size});
  }
  batch.Add("set_tid_address", SYS_set_tid_address, {0});
}

void AddRegister(CallBatch& batch, const ThreadImage& thread) {
  batch.Add("set_tid_address", SYS_set_tid_address, {thread.clear_child_tid});
  if (thread.rseq.area != 0) {
    batch.Add("rseq", SYS_rseq,
              {thread.rseq.area, thread.rseq.size, 0, thread.rseq.signature});
  }
  if (thread.robust_list != 0) {
    batch.Add("set_robust_list", SYS_set_robust_list,
              {thread.robust_list, thread.robust_list_size});
  }
}

}  // namespace ssi
