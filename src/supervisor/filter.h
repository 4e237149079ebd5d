// The one seccomp filter of a guest, made from the call table.
//
// libseccomp makes a binary tree over the numbers, which ends either in ALLOW
// or in a label of ours; a tail of ours takes the labels. So the number always
// comes first: for the numbers that are ALLOWed whatever their arguments the
// kernel finds that out once and never runs the filter again (its bitmap of
// constant actions; 191 ns a call against 525 with the instruction pointer
// first). What is not ALLOWed is looked at further:
//
//   number -> ALLOW                                      (local)
//          -> rules on arguments -> ALLOW
//          -> from our own page? -> TRACE kFromOwnPage
//                                -> USER_NOTIF            (local told, both,
//                                                          home, ...)
//                                -> TRACE kLife, kComeHome, kUnknown
//
// Unknown numbers, other architectures and x32 numbers are kUnknown.
#ifndef SSI_SUPERVISOR_FILTER_H_
#define SSI_SUPERVISOR_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "supervisor/call_table.h"

namespace ssi::supervisor {

using FilterProgram = std::vector<sock_filter>;

// The SECCOMP_RET_DATA of a TRACE, which the tracer reads with
// PTRACE_GETEVENTMSG.
enum class TraceReason : std::uint16_t {
  kUnknown = 1,  // a number, architecture or ABI that the table does not have
  kComeHome = 2,
  kLife = 3,
  // The call comes from our own page: the tracer lets it pass only while it is
  // injecting on that thread. A guest can map a page of its own there.
  kFromOwnPage = 4,
};

inline constexpr std::uint64_t kOwnPageSize = 4096;

// The action for a class: SECCOMP_RET_ALLOW, _USER_NOTIF, or _TRACE with its
// reason.
std::uint32_t ActionOf(CallClass call_class);

// The filter but for the page, which each hop has elsewhere. Making it costs
// 2.4 ms (libseccomp), so a guest supervisor makes it before a guest waits for
// it; For() is some microseconds.
class FilterTemplate {
 public:
  static Result<FilterTemplate> Make();

  // The filter for a guest in which our code lies in the page at `own_page`.
  //
  // The kernel gives the address *after* the syscall instruction, so our page
  // must not have one in its last two bytes.
  [[nodiscard]] FilterProgram For(RemoteAddr own_page) const;

 private:
  FilterTemplate() = default;

  FilterProgram program_;
  // Where the two halves of the page's address are compared.
  std::vector<std::size_t> high_;
  std::vector<std::size_t> low_;
};

// For `ssirun --explain`: the filter of a guest in which whatever is not
// ALLOWed is TRACE, so that the tracer sees at home the calls that are not
// local away.
Result<FilterProgram> BuildExplainFilter();

// Both in one; the template is made once for the process.
Result<FilterProgram> BuildFilter(RemoteAddr own_page);
// Makes it now, so that no guest waits for it.
Status PrepareFilter();

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_FILTER_H_
