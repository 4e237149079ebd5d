// What `ssirun --explain` says.
#ifndef SSI_DEPUTY_EXPLAIN_REPORT_H_
#define SSI_DEPUTY_EXPLAIN_REPORT_H_

#include <string>
#include <string_view>

#include "base/result.h"
#include "proto/control.pb.h"
#include "supervisor/call_tally.h"

namespace ssi {

// "call=60,hop=9,rate=117", any of them: microseconds, milliseconds, MB/s.
Result<supervisor::AwayAssumptions> ParseAssumptions(std::string_view text);

void DescribeTally(const supervisor::CallTally& tally,
                   const supervisor::AwayAssumptions& assumptions,
                   wire::Explanation& explanation);

// For people, 80 columns wide.
std::string ExplanationText(const wire::Explanation& explanation);

}  // namespace ssi

#endif  // SSI_DEPUTY_EXPLAIN_REPORT_H_
