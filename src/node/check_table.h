// The checks as data. To add one: write its probe in the file of its subject,
// declare it in check_probes.h, add a row in check_table.cc.
#ifndef SSI_NODE_CHECK_TABLE_H_
#define SSI_NODE_CHECK_TABLE_H_

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/check.h"

namespace ssi {

// What a probe found, when it did not fail.
struct Found {
  enum class Quality { kGood, kPoor };
  std::string detail;  // may be empty
  Quality quality = Quality::kGood;
};

// Tries one feature by using it. Runs in a process of its own (check_child.h),
// so it need not clean up; an Error means that the feature is not there.
using Probe = Result<Found> (*)();

enum class Need {
  kRequired,   // nothing can move without it
  kForGuests,  // no guest can be here without it; a home does not need it
  kOptional,   // the row's advice says what is different without it
};

struct CheckRow {
  std::string_view id;
  std::string_view what;
  std::string_view purpose;
  Need need;
  // The id of an earlier row without which this cannot be there; "" for none.
  std::string_view needs;
  unsigned hindrances;  // hindrances.h: settings that can forbid it
  Probe probe;
  // Where it is not there: the consequence, then what to do.
  std::string_view advice;
};

std::span<const CheckRow> CheckTable();

constexpr std::chrono::milliseconds kCheckLimit{5000};

// RunChecks() with other rows or another limit.
std::vector<CheckResult> RunChecks(
    std::span<const CheckRow> rows,
    std::chrono::milliseconds limit = kCheckLimit);

}  // namespace ssi

#endif  // SSI_NODE_CHECK_TABLE_H_
