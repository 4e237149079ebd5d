// The part of the filter behind libseccomp's tree: rules on arguments and the
// test for our own page. Used by filter.cc only.
#ifndef SSI_SUPERVISOR_FILTER_TAIL_H_
#define SSI_SUPERVISOR_FILTER_TAIL_H_

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "supervisor/call_table.h"

namespace ssi::supervisor {

// Appends code to a program in which jumps only go forward. A jump to an
// action is written at once and resolved when Finish() has placed the actions.
class FilterTail {
 public:
  explicit FilterTail(std::vector<sock_filter>& program) : program_(program) {}

  // Makes instruction `at` go to `action`.
  void RedirectTo(std::size_t at, std::uint32_t action);
  // Appends the rules of a row, then a jump to the action of its own class.
  void AddRules(const CallRow& row);
  // Appends the actions, with our page at 0, and says which instructions hold
  // the halves of its address. Nothing may be added after.
  void Finish(std::vector<std::size_t>& high, std::vector<std::size_t>& low);

 private:
  void Emit(std::uint16_t code, std::uint32_t k, std::uint8_t jump_true = 0,
            std::uint8_t jump_false = 0);
  void LoadArgument(std::uint8_t arg, bool high);
  void AddRule(const ArgRule& rule);
  void GoTo(std::uint32_t action);

  std::vector<sock_filter>& program_;
  // The argument whose low half is in the accumulator, or -1.
  int loaded_ = -1;
  std::map<std::uint32_t, std::vector<std::size_t>> jumps_;
};

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_FILTER_TAIL_H_
