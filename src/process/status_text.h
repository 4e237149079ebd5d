#ifndef SSI_PROCESS_STATUS_TEXT_H_
#define SSI_PROCESS_STATUS_TEXT_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace ssi {

// The text of /proc/TID/status (proc_pid_status(5)), and what stands in it
// behind a field's name, blanks left out; "" where there is no such line.
// `name` is without the colon.
std::string_view StatusField(std::string_view status, std::string_view name);

// Its first number.
std::optional<std::uint64_t> StatusNumber(std::string_view status,
                                          std::string_view name, int base = 10);

}  // namespace ssi

#endif  // SSI_PROCESS_STATUS_TEXT_H_
