#include "supervisor/call_tally.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>

#include "supervisor/pieces.h"

namespace ssi::supervisor {

namespace {

bool IsClock(int number) {
  return number >= SYS_clock_gettime && number <= SYS_clock_nanosleep;
}

// For now, for the reason of the row of `reason`.
void ComeHome(Decision& decision, int reason) {
  decision.call_class = CallClass::kComeHome;
  decision.comes_home = ComesHome::kForNow;
  decision.note = FindCall(reason)->note;
}

// What the table leaves to the one who maps (remote/file_mapper.cc).
bool SharesWritably(const Decision& decision, const CallArgs& args) {
  return decision.special == Special::kMapFile &&
         (args[3] & MAP_TYPE) == MAP_SHARED && (args[2] & PROT_WRITE) != 0;
}

}  // namespace

bool DependsOnCaller(int number) {
  const CallRow* row = FindCall(number);
  return AnswerIsKept(number) || IsClock(number) ||
         (row != nullptr && row->Has(kOwnPid));
}

bool MovesData(int number) {
  const CallRow* row = FindCall(number);
  return row != nullptr && std::ranges::any_of(row->args, [](const Arg& arg) {
           return arg.kind == ArgKind::kData || arg.kind == ArgKind::kVector;
         });
}

AwayCost CallTally::CostOf(int number, const Decision& decision,
                           const CallArgs& args, HomePid process) {
  switch (decision.call_class) {
    case CallClass::kLocal:
    case CallClass::kSharedFile:
      return AwayCost::kNotified;
    case CallClass::kLocalTold:
      // A mask change waits for home where it unblocks; whether it does is
      // known only with the mask before.
      return decision.special == Special::kSignalReturn ||
                     (decision.special == Special::kSignalMask &&
                      args[0] != SIG_BLOCK)
                 ? AwayCost::kRoundTrip
                 : AwayCost::kNotified;
    case CallClass::kHomeKnown:
      return AnswerIsKept(number) && !kept_.insert({process, number}).second
                 ? AwayCost::kNotified
                 : AwayCost::kRoundTrip;
    case CallClass::kBoth:
    case CallClass::kHome:
    case CallClass::kLife:
      return AwayCost::kRoundTrip;
    case CallClass::kComeHome:
      return AwayCost::kHops;
  }
  return AwayCost::kHops;
}

TallyRow& CallTally::Add(int number, const CallArgs& args, HomePid process,
                         std::optional<std::uint64_t> clone_flags) {
  Decision decision = Decide(number, args, process);
  if (SharesWritably(decision, args)) {
    ComeHome(decision, SYS_mmap);
  }
  // Only a thread is made there (remote/guest_life.cc).
  if (clone_flags && (*clone_flags & CLONE_THREAD) == 0) {
    ComeHome(decision, SYS_fork);
  }
  if (decision.special == Special::kCredentials) {
    std::erase_if(
        kept_, [process](const auto& known) { return known.first == process; });
  }
  TallyRow& row = rows_[{decision.call_class, number, decision.note}];
  row.number = number;
  row.name = decision.row == nullptr ? "?" : decision.row->name;
  row.call_class = decision.call_class;
  row.comes_home = decision.comes_home;
  row.reason = decision.note;
  ++row.count;
  if (CostOf(number, decision, args, process) == AwayCost::kRoundTrip) {
    ++row.round_trips;
  }
  return row;
}

void CallTally::AddMoved(TallyRow& row, std::uint64_t bytes) {
  row.bytes += bytes;
  if (bytes > 0) {  // the pieces after the first
    row.round_trips += (bytes - 1) / kMaxCallData;
  }
}

AwayEstimate Estimate(const CallTally& tally,
                      const AwayAssumptions& assumptions) {
  AwayEstimate made;
  for (const auto& [key, row] : tally.rows()) {
    if (row.call_class == CallClass::kComeHome) {
      made.comes_home += row.count;
      continue;
    }
    made.round_trips += row.round_trips;
    made.notified += row.count - std::min(row.count, row.round_trips);
    made.bytes += row.bytes;
  }
  auto times = [](std::uint64_t count, std::chrono::nanoseconds each) {
    return std::chrono::duration<double>(each) * static_cast<double>(count);
  };
  made.calls = times(made.round_trips, assumptions.round_trip) +
               times(made.notified, assumptions.notified);
  made.data = std::chrono::duration<double>(static_cast<double>(made.bytes) /
                                            assumptions.bytes_per_second);
  made.hops = times(2 * made.comes_home, assumptions.hop);
  return made;
}

}  // namespace ssi::supervisor
