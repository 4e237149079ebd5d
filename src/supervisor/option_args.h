// Arguments whose meaning another argument decides, turned into plain ones.
#ifndef SSI_SUPERVISOR_OPTION_ARGS_H_
#define SSI_SUPERVISOR_OPTION_ARGS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/call_table.h"

namespace ssi::supervisor {

// Argument `index` of a call: the row's, or for an ioctl, fcntl, prctl,
// quotactl or sysfs what its request, command or option makes of it. Only
// numbers among `args` are looked at, so both sides come to the same answer.
Arg ResolveArg(const CallRow& row, std::size_t index, const CallArgs& args);

// The bytes of an array, data, vector count or bit map.
struct Extent {
  std::uint64_t bytes = 0;
  // What home's kernel is told as the length: the caller's, or the limit.
  std::uint64_t length = 0;
  // The buffer is not sent: home's kernel refuses the length by itself.
  bool refused = false;
};
// Not for kData and kVector, which PieceCursor cuts.
Extent ExtentOf(const Arg& arg, const CallArgs& args);

// A length argument as the kernel reads it; negative ints are -1, sizes beyond
// INT64_MAX are that.
std::int64_t LengthIn(std::uint64_t value, LengthType type);

// One line of documentation for each ioctl, prctl option and fcntl command.
struct OptionLine {
  std::string name;
  std::uint64_t number = 0;
  CallClass call_class{};
  ComesHome comes_home{};
  std::string note;
};
std::vector<OptionLine> KnownIoctls();
std::vector<OptionLine> KnownPrctls();

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_OPTION_ARGS_H_
