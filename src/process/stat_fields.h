#ifndef SSI_PROCESS_STAT_FIELDS_H_
#define SSI_PROCESS_STAT_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace ssi {

// The numbers of /proc/PID/stat by the field numbers of proc(5), from 4 on.
class StatFields {
 public:
  static Result<StatFields> Read(HostPid pid);
  // Of one thread; Read adds up those of its process.
  static Result<StatFields> ReadThread(HostPid thread);
  explicit StatFields(std::string text);

  [[nodiscard]] std::optional<std::int64_t> Number(std::size_t field) const;
  [[nodiscard]] std::optional<std::uint64_t> Unsigned(std::size_t field) const;
  // Field 3: R, S, D, T, t, Z, X.
  [[nodiscard]] char state() const;
  // Field 2, without its parentheses.
  [[nodiscard]] std::string_view name() const;

 private:
  [[nodiscard]] std::string_view Field(std::size_t field) const;

  std::string text_;
  std::size_t name_end_ = 0;  // of the last ')', which may be in the name too
};

}  // namespace ssi

#endif  // SSI_PROCESS_STAT_FIELDS_H_
