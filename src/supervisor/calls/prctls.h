// prctl by option. An option that is not here comes home.
#ifndef SSI_SUPERVISOR_CALLS_PRCTLS_H_
#define SSI_SUPERVISOR_CALLS_PRCTLS_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

struct PrctlRow {
  std::uint32_t option;
  std::string_view name;
  CallClass call_class;
  // Arguments 1 to 4. What is kNoArg goes home as 0: so do all arguments of
  // the options that x86 does not have (EINVAL, whatever they hold).
  std::array<Arg, 4> args{};
  Special special = Special::kNone;
  ComesHome comes_home = ComesHome::kNot;
  std::string_view note{};
};

inline constexpr std::array<Arg, 4> kAllInts{kInt, kInt, kInt, kInt};
inline constexpr Note kNotOnX86 = "not on x86: EINVAL";
inline constexpr Note kImageState = "part of the image";

constexpr PrctlRow NotOnX86(std::uint32_t option, std::string_view name) {
  return {.option = option,
          .name = name,
          .call_class = CallClass::kHome,
          .note = kNotOnX86};
}
constexpr PrctlRow PrctlHome(std::uint32_t option, std::string_view name,
                             const std::array<Arg, 4>& args = kAllInts) {
  return {.option = option,
          .name = name,
          .call_class = CallClass::kHome,
          .args = args};
}
// Four numbers, all of which the kernel may check to be 0, but the first is a
// pointer.
constexpr std::array<Arg, 4> FirstIs(const Arg& arg) {
  return {arg, kInt, kInt, kInt};
}
constexpr PrctlRow PrctlLocal(std::uint32_t option, std::string_view name,
                              Note note = kImageState) {
  return {.option = option,
          .name = name,
          .call_class = CallClass::kLocal,
          .note = note};
}
constexpr PrctlRow PrctlBoth(std::uint32_t option, std::string_view name,
                             Special special = Special::kNone,
                             const std::array<Arg, 4>& args = kAllInts) {
  return {.option = option,
          .name = name,
          .call_class = CallClass::kBoth,
          .args = args,
          .special = special};
}
constexpr PrctlRow PrctlReturns(std::uint32_t option, std::string_view name,
                                ComesHome comes_home, Note reason) {
  return {.option = option,
          .name = name,
          .call_class = CallClass::kComeHome,
          .comes_home = comes_home,
          .note = reason};
}
constexpr PrctlRow PrctlDumpable(std::uint32_t option, std::string_view name) {
  return {.option = option,
          .name = name,
          .call_class = CallClass::kHomeKnown,
          .args = kAllInts,
          .special = Special::kDumpable,
          .note = "recorded; takes effect when the process is home"};
}

// In option order, the two large numbers last.
inline constexpr PrctlRow kPrctls[] = {
    PrctlHome(1, "PR_SET_PDEATHSIG"),
    PrctlHome(2, "PR_GET_PDEATHSIG", FirstIs(Out(4))),
    PrctlDumpable(3, "PR_GET_DUMPABLE"),
    PrctlDumpable(4, "PR_SET_DUMPABLE"),
    NotOnX86(5, "PR_GET_UNALIGN"),
    NotOnX86(6, "PR_SET_UNALIGN"),
    PrctlHome(7, "PR_GET_KEEPCAPS"),
    PrctlHome(8, "PR_SET_KEEPCAPS"),
    NotOnX86(9, "PR_GET_FPEMU"),
    NotOnX86(10, "PR_SET_FPEMU"),
    NotOnX86(11, "PR_GET_FPEXC"),
    NotOnX86(12, "PR_SET_FPEXC"),
    PrctlHome(13, "PR_GET_TIMING"),
    PrctlHome(14, "PR_SET_TIMING"),
    // 15 bytes are read, with or without a NUL.
    PrctlBoth(15, "PR_SET_NAME", Special::kName, FirstIs(String(15))),
    PrctlHome(16, "PR_GET_NAME", FirstIs(Out(16))),
    NotOnX86(19, "PR_GET_ENDIAN"),
    NotOnX86(20, "PR_SET_ENDIAN"),
    PrctlHome(21, "PR_GET_SECCOMP"),
    PrctlReturns(22, "PR_SET_SECCOMP", ComesHome::kPermanent,
                 "a filter of its own"),
    PrctlHome(23, "PR_CAPBSET_READ"),
    PrctlHome(24, "PR_CAPBSET_DROP"),
    PrctlLocal(25, "PR_GET_TSC"),
    PrctlLocal(26, "PR_SET_TSC"),
    PrctlHome(27, "PR_GET_SECUREBITS"),
    PrctlHome(28, "PR_SET_SECUREBITS"),
    PrctlBoth(29, "PR_SET_TIMERSLACK"),
    PrctlHome(30, "PR_GET_TIMERSLACK"),
    PrctlHome(31, "PR_TASK_PERF_EVENTS_DISABLE"),
    PrctlHome(32, "PR_TASK_PERF_EVENTS_ENABLE"),
    PrctlBoth(33, "PR_MCE_KILL"),
    PrctlHome(34, "PR_MCE_KILL_GET"),
    PrctlReturns(35, "PR_SET_MM", ComesHome::kPermanent,
                 "changes what home's kernel knows of its memory"),
    PrctlHome(36, "PR_SET_CHILD_SUBREAPER"),
    PrctlHome(37, "PR_GET_CHILD_SUBREAPER", FirstIs(Out(4))),
    PrctlBoth(38, "PR_SET_NO_NEW_PRIVS", Special::kNoNewPrivs),
    PrctlHome(39, "PR_GET_NO_NEW_PRIVS"),
    PrctlLocal(40, "PR_GET_TID_ADDRESS"),
    PrctlBoth(41, "PR_SET_THP_DISABLE"),
    PrctlLocal(42, "PR_GET_THP_DISABLE"),
    PrctlHome(43, "PR_MPX_ENABLE_MANAGEMENT"),
    PrctlHome(44, "PR_MPX_DISABLE_MANAGEMENT"),
    NotOnX86(45, "PR_SET_FP_MODE"),
    NotOnX86(46, "PR_GET_FP_MODE"),
    PrctlHome(47, "PR_CAP_AMBIENT"),
    NotOnX86(50, "PR_SVE_SET_VL"),
    NotOnX86(51, "PR_SVE_GET_VL"),
    PrctlHome(52, "PR_GET_SPECULATION_CTRL"),
    PrctlBoth(53, "PR_SET_SPECULATION_CTRL"),
    NotOnX86(54, "PR_PAC_RESET_KEYS"),
    NotOnX86(55, "PR_SET_TAGGED_ADDR_CTRL"),
    NotOnX86(56, "PR_GET_TAGGED_ADDR_CTRL"),
    PrctlHome(57, "PR_SET_IO_FLUSHER"),
    PrctlHome(58, "PR_GET_IO_FLUSHER"),
    PrctlReturns(59, "PR_SET_SYSCALL_USER_DISPATCH", ComesHome::kForNow,
                 "a move cannot carry this state"),
    NotOnX86(60, "PR_PAC_SET_ENABLED_KEYS"),
    NotOnX86(61, "PR_PAC_GET_ENABLED_KEYS"),
    // PR_SCHED_CORE_GET writes a u64; the other commands want 0 there.
    PrctlHome(62, "PR_SCHED_CORE", {kInt, kInt, kInt, Maybe(8)}),
    NotOnX86(63, "PR_SME_SET_VL"),
    NotOnX86(64, "PR_SME_GET_VL"),
    PrctlLocal(65, "PR_SET_MDWE"),
    PrctlLocal(66, "PR_GET_MDWE"),
    PrctlBoth(67, "PR_SET_MEMORY_MERGE"),
    PrctlHome(68, "PR_GET_MEMORY_MERGE"),
    NotOnX86(69, "PR_RISCV_V_SET_CONTROL"),
    NotOnX86(70, "PR_RISCV_V_GET_CONTROL"),
    NotOnX86(71, "PR_RISCV_SET_ICACHE_FLUSH_CTX"),
    NotOnX86(72, "PR_PPC_GET_DEXCR"),
    NotOnX86(73, "PR_PPC_SET_DEXCR"),
    NotOnX86(74, "PR_GET_SHADOW_STACK_STATUS"),
    NotOnX86(75, "PR_SET_SHADOW_STACK_STATUS"),
    NotOnX86(76, "PR_LOCK_SHADOW_STACK_STATUS"),
    PrctlHome(77, "PR_TIMER_CREATE_RESTORE_IDS"),
    PrctlLocal(78, "PR_FUTEX_HASH", "its own futexes"),
    PrctlLocal(0x41555856, "PR_GET_AUXV"),
    PrctlLocal(0x53564d41, "PR_SET_VMA", "names of anonymous areas"),
    PrctlHome(0x59616d61, "PR_SET_PTRACER"),
};

constexpr auto MakePrctlRules() {
  std::array<ArgRule, std::size(kPrctls)> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const PrctlRow& row = kPrctls[i];
    rules[i] = {.arg = 0,
                .value = row.option,
                .call_class = row.call_class,
                .special = row.special,
                .comes_home = row.comes_home,
                .note = row.name};
  }
  return rules;
}
inline constexpr auto kPrctlRules = MakePrctlRules();

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_PRCTLS_H_
