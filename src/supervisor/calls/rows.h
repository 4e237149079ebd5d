// The words that rows are written in. Only the files in calls/ and
// call_table.cc include this.
#ifndef SSI_SUPERVISOR_CALLS_ROWS_H_
#define SSI_SUPERVISOR_CALLS_ROWS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "supervisor/call_table.h"

namespace ssi::supervisor::rows {

using Args = std::array<Arg, 6>;
using Note = std::string_view;

constexpr CallRow Row(CallClass call_class, int nr, std::string_view name,
                      const Args& args, Note note) {
  CallRow row;
  row.nr = nr;
  row.name = name;
  row.call_class = call_class;
  row.args = args;
  row.note = note;
  return row;
}
constexpr CallRow Local(int nr, std::string_view name, Note note = "") {
  return Row(CallClass::kLocal, nr, name, {}, note);
}
constexpr CallRow Told(int nr, std::string_view name, Special special,
                       Note note = "") {
  return Row(CallClass::kLocalTold, nr, name, {}, note).With(special);
}
constexpr CallRow Both(int nr, std::string_view name, const Args& args,
                       Special special, Note note = "") {
  return Row(CallClass::kBoth, nr, name, args, note).With(special);
}
constexpr CallRow Home(int nr, std::string_view name, const Args& args,
                       Note note = "") {
  return Row(CallClass::kHome, nr, name, args, note);
}
constexpr CallRow Known(int nr, std::string_view name, const Args& args,
                        Note note = "") {
  return Row(CallClass::kHomeKnown, nr, name, args, note);
}
constexpr CallRow Life(int nr, std::string_view name, Note note) {
  return Row(CallClass::kLife, nr, name, {}, note);
}
// Numbers that have a name and no code behind it on x86-64. Forwarded without
// arguments: home's kernel says ENOSYS.
constexpr CallRow Nothing(int nr, std::string_view name) {
  return Row(CallClass::kHome, nr, name, {}, "not implemented on x86-64")
      .With(kUnimplemented);
}
constexpr CallRow ForNow(int nr, std::string_view name, const Args& args,
                         Note reason) {
  CallRow row = Row(CallClass::kComeHome, nr, name, args, reason);
  row.comes_home = ComesHome::kForNow;
  return row;
}
constexpr CallRow Permanent(int nr, std::string_view name, Note reason) {
  CallRow row = Row(CallClass::kComeHome, nr, name, {}, reason);
  row.comes_home = ComesHome::kPermanent;
  return row;
}

// ---- rules -----------------------------------------------------------------

// "argument `arg` is `value`" (under `mask`) makes the call `call_class`.
constexpr ArgRule If(std::uint8_t arg, std::uint32_t value,
                     CallClass call_class, Special special = Special::kNone,
                     std::uint32_t mask = 0xffffffff, Note note = "") {
  return {.arg = arg,
          .mask = mask,
          .value = value,
          .call_class = call_class,
          .special = special,
          .note = note};
}
constexpr ArgRule IfNull(std::uint8_t arg, CallClass call_class,
                         Note note = "") {
  return {.test = ArgRule::Test::kIsNull,
          .arg = arg,
          .call_class = call_class,
          .note = note};
}
constexpr ArgRule IfComesHome(std::uint8_t arg, std::uint32_t value,
                              ComesHome comes_home, Note reason,
                              std::uint32_t mask = 0xffffffff) {
  return {.arg = arg,
          .mask = mask,
          .value = value,
          .call_class = CallClass::kComeHome,
          .comes_home = comes_home,
          .note = reason};
}

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_ROWS_H_
