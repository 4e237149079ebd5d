#include "supervisor/call_table.h"

#include <algorithm>
#include <cstddef>

#include "supervisor/calls/come_home.h"
#include "supervisor/calls/descriptors.h"
#include "supervisor/calls/files.h"
#include "supervisor/calls/identity.h"
#include "supervisor/calls/memory.h"
#include "supervisor/calls/process.h"
#include "supervisor/calls/signals.h"
#include "supervisor/calls/system.h"
#include "supervisor/calls/time.h"

namespace ssi::supervisor {

namespace {

// 0-336 and 424-469 (Linux 6.18).
constexpr std::size_t kRowCount = 337 + 46;
constexpr int kNumberLimit = 470;

template <std::size_t... N>
consteval auto Merge(const CallRow (&... families)[N]) {
  std::array<CallRow, (N + ...)> all{};
  auto at = all.begin();
  ((at = std::ranges::copy(families, at).out), ...);
  std::ranges::sort(all, {}, &CallRow::nr);
  return all;
}

constexpr auto kTable =
    Merge(rows::kFileCalls, rows::kDescriptorCalls, rows::kMemoryCalls,
          rows::kProcessCalls, rows::kSignalCalls, rows::kTimeCalls,
          rows::kIdentityCalls, rows::kSystemCalls, rows::kComesHomeForNow,
          rows::kComesHomeAlways);

consteval bool SortedAndUnique() {
  for (std::size_t i = 1; i < kTable.size(); ++i) {
    if (kTable[i - 1].nr >= kTable[i].nr) {
      return false;
    }
  }
  return true;
}
consteval bool NumbersAreKnown() {
  return std::ranges::all_of(kTable, [](const CallRow& row) {
    return (row.nr >= 0 && row.nr <= 336) ||
           (row.nr >= 424 && row.nr < kNumberLimit);
  });
}
static_assert(kTable.size() == kRowCount, "a row for every number");
static_assert(SortedAndUnique(), "a number has two rows");
static_assert(NumbersAreKnown(), "a number that x86-64 does not have");

// Row of each number, -1 for none.
consteval auto MakeIndex() {
  std::array<std::int16_t, kNumberLimit> index{};
  index.fill(-1);
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    index[static_cast<std::size_t>(kTable[i].nr)] =
        static_cast<std::int16_t>(i);
  }
  return index;
}
constexpr auto kIndex = MakeIndex();

constexpr int kClockGettime = 228;
constexpr int kClockGetres = 229;
constexpr int kClockNanosleep = 230;

bool Holds(const ArgRule& rule, const CallArgs& args) {
  std::uint64_t value = args[rule.arg];
  if (rule.test == ArgRule::Test::kIsNull) {
    return value == 0;
  }
  return (static_cast<std::uint32_t>(value) & rule.mask) == rule.value;
}

// Arguments in which the caller's own pid is written as 0, the form that the
// rules know.
CallArgs WithoutOwnPid(const CallRow& row, CallArgs args, HomePid self) {
  auto first = static_cast<std::int32_t>(args[0]);
  if (row.Has(kOwnPid) && first == Raw(self)) {
    args[0] = 0;
  }
  // clockid of a CPU clock: the complement of the pid above three bits.
  bool is_clock = row.nr == kClockGettime || row.nr == kClockGetres ||
                  row.nr == kClockNanosleep;
  if (is_clock && first < 0 && ~(first >> 3) == Raw(self)) {
    args[0] = static_cast<std::uint32_t>(first & 7) | ~std::uint32_t{7};
  }
  return args;
}

}  // namespace

std::span<const CallRow> AllCalls() {
  return kTable;
}

const CallRow* FindCall(int nr) {
  if (nr < 0 || nr >= kNumberLimit) {
    return nullptr;
  }
  int row = kIndex[static_cast<std::size_t>(nr)];
  return row < 0 ? nullptr : &kTable[static_cast<std::size_t>(row)];
}

const CallRow* FindCall(std::string_view name) {
  const auto* row = std::ranges::find(kTable, name, &CallRow::name);
  return row == kTable.end() ? nullptr : row;
}

Decision Decide(int nr, const CallArgs& args, HomePid self) {
  const CallRow* row = FindCall(nr);
  if (row == nullptr) {
    return Decision{.note = "unknown number"};
  }
  if (!row->rules.empty()) {
    CallArgs plain = Raw(self) == 0 ? args : WithoutOwnPid(*row, args, self);
    for (const ArgRule& rule : row->rules) {
      if (Holds(rule, plain)) {
        return {row, rule.call_class, rule.special, rule.comes_home, rule.note};
      }
    }
  }
  return {row, row->call_class, row->special, row->comes_home, row->note};
}

bool IsForwarded(const Decision& decision) {
  switch (decision.call_class) {
    case CallClass::kHome:
    case CallClass::kHomeKnown:
    case CallClass::kBoth:
      return decision.row != nullptr && decision.special != Special::kMapFile;
    default:
      return false;
  }
}

std::string_view NameOf(CallClass call_class) {
  switch (call_class) {
    case CallClass::kLocal:
      return "local";
    case CallClass::kLocalTold:
      return "local, told";
    case CallClass::kBoth:
      return "both";
    case CallClass::kHome:
      return "home";
    case CallClass::kHomeKnown:
      return "home, known";
    case CallClass::kSharedFile:
      return "shared file";
    case CallClass::kLife:
      return "life";
    case CallClass::kComeHome:
      return "come home";
  }
  return "?";
}

std::string_view NameOf(ComesHome comes_home) {
  switch (comes_home) {
    case ComesHome::kNot:
      return "";
    case ComesHome::kForNow:
      return "for now";
    case ComesHome::kPermanent:
      return "permanent";
  }
  return "?";
}

}  // namespace ssi::supervisor
