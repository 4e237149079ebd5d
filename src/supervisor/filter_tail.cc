#include "supervisor/filter_tail.h"

#include <linux/seccomp.h>

#include "base/check.h"
#include "supervisor/filter.h"

namespace ssi::supervisor {

namespace {

constexpr std::uint32_t OffsetOfArgument(std::uint8_t arg) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) + arg * 8U;
}
constexpr auto kOffsetOfIp =
    static_cast<std::uint32_t>(offsetof(seccomp_data, instruction_pointer));

constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kAnd = BPF_ALU | BPF_AND | BPF_K;
constexpr std::uint16_t kJumpIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint16_t kJump = BPF_JMP | BPF_JA;
constexpr std::uint16_t kReturn = BPF_RET | BPF_K;

}  // namespace

void FilterTail::Emit(std::uint16_t code, std::uint32_t k,
                      std::uint8_t jump_true, std::uint8_t jump_false) {
  program_.push_back(sock_filter{code, jump_true, jump_false, k});
}

void FilterTail::GoTo(std::uint32_t action) {
  if (action == SECCOMP_RET_ALLOW) {
    Emit(kReturn, action);
    return;
  }
  Emit(kJump, 0);
  jumps_[action].push_back(program_.size() - 1);
}

void FilterTail::RedirectTo(std::size_t at, std::uint32_t action) {
  SSI_CHECK(action != SECCOMP_RET_ALLOW);
  program_[at] = sock_filter{kJump, 0, 0, 0};
  jumps_[action].push_back(at);
}

void FilterTail::LoadArgument(std::uint8_t arg, bool high) {
  if (!high && loaded_ == arg) {
    return;
  }
  Emit(kLoad, OffsetOfArgument(arg) + (high ? 4 : 0));
  loaded_ = high ? -1 : arg;
}

void FilterTail::AddRule(const ArgRule& rule) {
  std::uint32_t action = ActionOf(rule.call_class);
  if (rule.test == ArgRule::Test::kIsNull) {
    LoadArgument(rule.arg, /*high=*/false);
    Emit(kJumpIfEqual, 0, 0, 3);  // past the rest of this rule
    LoadArgument(rule.arg, /*high=*/true);
    Emit(kJumpIfEqual, 0, 0, 1);
    GoTo(action);
    return;
  }
  LoadArgument(rule.arg, /*high=*/false);
  if (rule.mask != 0xffffffff) {
    Emit(kAnd, rule.mask);
    loaded_ = -1;
  }
  Emit(kJumpIfEqual, rule.value, 0, 1);
  GoTo(action);
}

void FilterTail::AddRules(const CallRow& row) {
  loaded_ = -1;
  for (const ArgRule& rule : row.rules) {
    AddRule(rule);
  }
  GoTo(ActionOf(row.call_class));
}

void FilterTail::Finish(std::vector<std::size_t>& high,
                        std::vector<std::size_t>& low) {
  for (const auto& [action, sources] : jumps_) {
    std::size_t here = program_.size();
    for (std::size_t source : sources) {
      program_[source].k = static_cast<std::uint32_t>(here - source - 1);
    }
    // In our own page: the page's 52 upper bits, as two halves.
    Emit(kLoad, kOffsetOfIp + 4);
    high.push_back(program_.size());
    Emit(kJumpIfEqual, 0, 0, 4);
    Emit(kLoad, kOffsetOfIp);
    Emit(kAnd, ~static_cast<std::uint32_t>(kOwnPageSize - 1));
    low.push_back(program_.size());
    Emit(kJumpIfEqual, 0, 0, 1);
    Emit(kReturn, SECCOMP_RET_TRACE |
                      static_cast<std::uint32_t>(TraceReason::kFromOwnPage));
    Emit(kReturn, action);
  }
  jumps_.clear();
}

}  // namespace ssi::supervisor
