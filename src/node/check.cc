#include "node/check.h"

#include <functional>
#include <map>
#include <set>

#include "base/taken_away.h"
#include "node/check_child.h"
#include "node/check_table.h"
#include "node/hindrances.h"

namespace ssi {

namespace {

using Ids = std::set<std::string, std::less<>>;

// Ids that are not there, each with the first one of those that it rests on,
// which is the one to do something about.
using Absent = std::map<std::string, std::string, std::less<>>;

Result<Found> Try(const CheckRow& row, const Ids& forced, Absent& absent,
                  std::chrono::milliseconds limit) {
  Result<Found> found;
  std::string root(row.id);
  if (auto below = absent.find(row.needs); below != absent.end()) {
    root = below->second;
    found = Fail(ErrorCode::kUnsupported, "not tried: needs {}", root);
  } else if (forced.contains(row.id)) {
    found = Fail(ErrorCode::kUnsupported,
                 "counts as not there because of SSI_PROBE");
  } else {
    found = RunBounded(row.probe, limit);
  }
  if (!found) {
    absent.emplace(row.id, root);
  }
  return found;
}

std::string Advice(const CheckRow& row, const Absent& absent) {
  if (auto at = absent.find(row.id); row.need != Need::kOptional &&
                                     at != absent.end() &&
                                     at->second != row.id) {
    return fmt::format("See {}.", at->second);
  }
  std::string advice(row.advice);
  std::string settings = HindrancesInForce(row.hindrances);
  return settings.empty() ? advice : advice + " " + settings;
}

CheckResult ResultOf(const CheckRow& row, const Result<Found>& found,
                     const Absent& absent) {
  CheckResult result;
  result.id = row.id;
  result.what = row.what;
  result.purpose = row.purpose;
  result.required = row.need != Need::kOptional;
  result.guests_only = row.need == Need::kForGuests;
  if (!found) {
    result.state =
        result.required ? CheckResult::kMissing : CheckResult::kDegraded;
    result.detail = found.error().message;
  } else {
    result.state = found->quality == Found::Quality::kGood
                       ? CheckResult::kOk
                       : CheckResult::kDegraded;
    result.detail = found->detail;
  }
  if (result.state != CheckResult::kOk) {
    result.advice = Advice(row, absent);
  }
  return result;
}

}  // namespace

std::vector<CheckResult> RunChecks(std::span<const CheckRow> rows,
                                   std::chrono::milliseconds limit) {
  Ids forced = TakenAway();
  Absent absent;
  std::vector<CheckResult> results;
  for (const auto& row : rows) {
    auto found = Try(row, forced, absent, limit);
    results.push_back(ResultOf(row, found, absent));
  }
  return results;
}

std::vector<CheckResult> RunChecks() {
  return RunChecks(CheckTable());
}

std::string_view CheckStateName(CheckResult::State state) {
  switch (state) {
    case CheckResult::kOk:
      return "ok";
    case CheckResult::kMissing:
      return "missing";
    case CheckResult::kDegraded:
      return "degraded";
  }
  return "missing";
}

Usability UsabilityOf(const std::vector<CheckResult>& results) {
  Usability usability = Usability::kFull;
  for (const auto& result : results) {
    if (!result.required || result.state != CheckResult::kMissing) {
      continue;
    }
    if (!result.guests_only) {
      return Usability::kNone;
    }
    usability = Usability::kHomeOnly;
  }
  return usability;
}

int CheckExitStatus(const std::vector<CheckResult>& results) {
  return UsabilityOf(results) == Usability::kFull ? 0 : 1;
}

}  // namespace ssi
