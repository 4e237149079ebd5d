#include "supervisor/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "unit/supervisor/bpf.h"

namespace ssi::supervisor {
namespace {

constexpr RemoteAddr kPage{0x7f12'3456'7000};
constexpr std::uint64_t kElsewhere = 0x5555'5555'5000;

constexpr std::uint32_t Trace(TraceReason reason) {
  return SECCOMP_RET_TRACE | static_cast<std::uint32_t>(reason);
}

const FilterProgram& TheFilter() {
  static const FilterProgram program = BuildFilter(kPage).value();
  return program;
}

std::uint32_t Run(int nr, std::uint64_t ip, const CallArgs& args,
                  std::uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = nr;
  data.arch = arch;
  data.instruction_pointer = ip;
  std::copy(args.begin(), args.end(), data.args);
  auto action = RunBpf(TheFilter(), data);
  REQUIRE(action.has_value());
  return *action;
}

// Values that the rules look at, and their neighbours.
std::vector<std::uint64_t> InterestingValues(const CallRow& row) {
  std::vector<std::uint64_t> values{0, 1, 2, ~std::uint64_t{0},
                                    std::uint64_t{1} << 32};
  for (const ArgRule& rule : row.rules) {
    for (std::uint64_t value :
         {std::uint64_t{rule.value}, rule.value + std::uint64_t{1},
          rule.value | (std::uint64_t{0xffff} << 32),
          std::uint64_t{rule.value | ~rule.mask}}) {
      values.push_back(value);
    }
  }
  return values;
}

// What the filter has to say, made from ClassOf alone.
std::uint32_t Expected(int nr, const CallArgs& args, bool in_page) {
  if (FindCall(nr) == nullptr) {
    return Trace(in_page ? TraceReason::kFromOwnPage : TraceReason::kUnknown);
  }
  std::uint32_t action = ActionOf(ClassOf(nr, args));
  return in_page && action != SECCOMP_RET_ALLOW
             ? Trace(TraceReason::kFromOwnPage)
             : action;
}

TEST_CASE("the filter is small enough for the kernel", "[filter]") {
  CHECK(TheFilter().size() < BPF_MAXINSNS);
  CHECK(TheFilter().size() < 1800);  // a list instead of a tree would show
}

TEST_CASE("filter and ClassOf agree on every call", "[filter]") {
  for (int nr = -5; nr < 512; ++nr) {
    const CallRow* row = FindCall(nr);
    std::vector<std::uint64_t> values =
        InterestingValues(row != nullptr ? *row : CallRow{});
    for (std::size_t arg = 0; arg < 6; ++arg) {
      for (std::uint64_t value : values) {
        CallArgs args{};
        args.fill(4096);
        args[arg] = value;
        if (Run(nr, kElsewhere, args) != Expected(nr, args, false) ||
            Run(nr, Raw(kPage) + 100, args) != Expected(nr, args, true)) {
          FAIL("call " << nr << ", argument " << arg << " = " << value);
        }
      }
    }
  }
  SUCCEED();
}

TEST_CASE("filter and ClassOf agree on random arguments", "[filter]") {
  std::mt19937_64 random(6);
  for (int i = 0; i < 100000; ++i) {
    auto nr = static_cast<int>(random() % 480);
    const CallRow* row = FindCall(nr);
    CallArgs args{};
    for (std::uint64_t& arg : args) {
      arg = random() >> (random() % 64);
      if (row != nullptr && !row->rules.empty() && random() % 2 == 0) {
        arg = row->rules[random() % row->rules.size()].value;
      }
    }
    if (Run(nr, kElsewhere, args) != Expected(nr, args, false)) {
      FAIL("call " << nr);
    }
  }
  SUCCEED();
}

TEST_CASE("nothing passes from our page but what passes anyway", "[filter]") {
  constexpr int kGetppid = 110;
  std::uint64_t page = Raw(kPage);
  CHECK(Run(kGetppid, page, {}) == Trace(TraceReason::kFromOwnPage));
  CHECK(Run(kGetppid, page + 4095, {}) == Trace(TraceReason::kFromOwnPage));
  CHECK(Run(kGetppid, page - 1, {}) == SECCOMP_RET_USER_NOTIF);
  CHECK(Run(kGetppid, page + 4096, {}) == SECCOMP_RET_USER_NOTIF);
  // the same low half elsewhere
  CHECK(Run(kGetppid, page + (std::uint64_t{1} << 32), {}) ==
        SECCOMP_RET_USER_NOTIF);
}

TEST_CASE("other architectures and x32 are unknown", "[filter]") {
  for (int nr = 0; nr < 470; ++nr) {
    CHECK(Run(nr, kElsewhere, {}, AUDIT_ARCH_I386) ==
          Trace(TraceReason::kUnknown));
    CHECK(Run(nr | 0x40000000, kElsewhere, {}) == Trace(TraceReason::kUnknown));
  }
  CHECK(Run(-1, kElsewhere, {}) == Trace(TraceReason::kUnknown));
}

TEST_CASE("local calls without rules never run the filter", "[filter]") {
  int constant = 0;
  for (const CallRow& row : AllCalls()) {
    seccomp_data data{};
    data.nr = row.nr;
    data.arch = AUDIT_ARCH_X86_64;
    bool local = row.call_class == CallClass::kLocal && row.rules.empty();
    INFO(row.name);
    CHECK(IsConstantAllow(TheFilter(), data) == local);
    constant += local ? 1 : 0;
  }
  CHECK(constant > 30);
}

TEST_CASE("a filter for another page differs in that page alone", "[filter]") {
  FilterProgram other = BuildFilter(RemoteAddr{0x10000}).value();
  REQUIRE(other.size() == TheFilter().size());
  int differences = 0;
  for (std::size_t i = 0; i < other.size(); ++i) {
    differences += other[i].k != TheFilter()[i].k ? 1 : 0;
  }
  CHECK(differences == 2 * 4);  // two halves, four actions
}

TEST_CASE("the filter of --explain traces what is not ALLOWed away",
          "[filter]") {
  FilterProgram explain = BuildExplainFilter().value();
  CHECK(explain.size() == TheFilter().size());
  std::mt19937_64 random(7);
  int traced = 0;
  for (int i = 0; i < 50000; ++i) {
    seccomp_data data{};
    data.nr = static_cast<int>(random() % 480);
    data.arch = random() % 8 == 0 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
    data.instruction_pointer = kElsewhere;
    const CallRow* row = FindCall(data.nr);
    for (auto& arg : data.args) {
      arg = row != nullptr && !row->rules.empty() && random() % 2 == 0
                ? row->rules[random() % row->rules.size()].value
                : random() >> (random() % 64);
    }
    bool allowed = RunBpf(TheFilter(), data) == SECCOMP_RET_ALLOW;
    auto action = RunBpf(explain, data);
    if (action != (allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRACE)) {
      FAIL("call " << data.nr);
    }
    traced += allowed ? 0 : 1;
  }
  CHECK(traced > 30000);
  CHECK(traced < 49000);
}

}  // namespace
}  // namespace ssi::supervisor
