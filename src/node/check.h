// `ssictl check`: tries each feature of kernel, administrator and libraries
// that the design rests on, and says what it is for, whether it is there and
// what to do.
#ifndef SSI_NODE_CHECK_H_
#define SSI_NODE_CHECK_H_

#include <string>
#include <string_view>
#include <vector>

#include "proto/check.pb.h"

namespace ssi {

struct CheckResult {
  enum State {
    kOk,
    kMissing,   // required and not there
    kDegraded,  // there in a poor form; or optional and not there, which has
                // the consequence that `advice` tells
  };
  std::string id;
  std::string what;     // what is needed, in words
  std::string purpose;  // what it is for
  State state = kOk;
  std::string detail;        // what was found, or how it failed; may be empty
  std::string advice;        // the consequence and what to do; empty where kOk
  bool required = true;      // nothing can move without it, or if guests_only:
  bool guests_only = false;  // no process of another node can come here
};

// All checks, in the order in which they are shown. Each is tried by use in
// processes of its own, which are gone afterwards; one that crashes or takes
// more than kCheckLimit counts as not there.
//
// SSI_PROBE=-ID,-ID in the environment makes these count as not there, as the
// tests of the paths without them do.
//
// Threads: forks; to be called where there are no other threads.
std::vector<CheckResult> RunChecks();

// "ok", "missing" or "degraded".
std::string_view CheckStateName(CheckResult::State state);
// What the results mean for this machine.
enum class Usability {
  kFull,      // nothing that is required is missing
  kHomeOnly,  // its own processes can go and come back; it takes no guests
  kNone,
};
Usability UsabilityOf(const std::vector<CheckResult>& results);
// 0 where it is full, else 1: the exit status of `ssictl check`.
int CheckExitStatus(const std::vector<CheckResult>& results);
// One line: how many of each and what follows.
std::string CheckSummary(const std::vector<CheckResult>& results);
// For people: one line for each, more where it is not ok, the summary last.
std::string FormatChecks(const std::vector<CheckResult>& results);

// For `--json` (AsJson in printing.h).
wire::CheckReport MakeCheckReport(const std::vector<CheckResult>& results);

}  // namespace ssi

#endif  // SSI_NODE_CHECK_H_
