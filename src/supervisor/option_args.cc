#include "supervisor/option_args.h"

#include <algorithm>
#include <limits>

#include "supervisor/calls/ioctls.h"
#include "supervisor/calls/prctls.h"

namespace ssi::supervisor {

namespace {

using rows::IoctlRow;
using rows::PrctlRow;

std::uint32_t Low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}

Arg IoctlArg(const CallArgs& args) {
  const auto* row =
      std::ranges::find(rows::kIoctls, Low(args[1]), &IoctlRow::request);
  return row == std::end(rows::kIoctls) ? kInt32 : row->arg;
}

// Numbers of linux/fcntl.h. A command that is not here takes a number, or is
// one that the kernel does not know either.
Arg FcntlArg(const CallArgs& args) {
  switch (Low(args[1])) {
    case 5:   // F_GETLK
    case 36:  // F_OFD_GETLK
      return InOut(32);
    case 6:   // F_SETLK
    case 7:   // F_SETLKW
    case 37:  // F_OFD_SETLK
    case 38:  // F_OFD_SETLKW
      return In(32);
    case 15:    // F_SETOWN_EX
    case 1036:  // F_SET_RW_HINT
    case 1038:  // F_SET_FILE_RW_HINT
      return In(8);
    case 16:    // F_GETOWN_EX
    case 17:    // F_GETOWNER_UIDS
    case 1035:  // F_GET_RW_HINT
    case 1037:  // F_GET_FILE_RW_HINT
      return Out(8);
    default:
      return kInt32;
  }
}

Arg PrctlArg(std::size_t index, const CallArgs& args) {
  const auto* row =
      std::ranges::find(rows::kPrctls, Low(args[0]), &PrctlRow::option);
  return row == std::end(rows::kPrctls) ? kNoArg : row->args.at(index - 1);
}

// The upper 24 bits of a quota command (linux/quota.h, linux/dqblk_xfs.h).
Arg QuotaArg(std::uint32_t command) {
  switch (command >> 8) {
    case 0x800002:  // Q_QUOTAON
      return kPath;
    case 0x800004:  // Q_GETFMT
      return Out(4);
    case 0x800005:  // Q_GETINFO
      return Out(24);
    case 0x800006:  // Q_SETINFO
      return In(24);
    case 0x800007:  // Q_GETQUOTA
    case 0x800009:  // Q_GETNEXTQUOTA
      return Out(72);
    case 0x800008:  // Q_SETQUOTA
      return In(72);
    case 0x5801:  // Q_XQUOTAON
    case 0x5802:  // Q_XQUOTAOFF
    case 0x5806:  // Q_XQUOTARM
      return In(4);
    case 0x5803:  // Q_XGETQUOTA
    case 0x5809:  // Q_XGETNEXTQUOTA
      return Out(112);
    case 0x5804:  // Q_XSETQLIM
      return In(112);
    case 0x5805:  // Q_XGETQSTAT
      return Out(80);
    case 0x5808:  // Q_XGETQSTATV: the version in it says what is wanted
      return InOut(160);
    default:
      return kInt32;
  }
}

// sysfs(1, name), sysfs(2, index, buffer), sysfs(3).
Arg SysfsArg(std::size_t index, const CallArgs& args) {
  auto option = static_cast<std::int32_t>(args[0]);
  if (option == 1) {
    return index == 1 ? kPath : kNoArg;
  }
  if (option == 2) {
    return index == 1 ? kInt : Maybe(64);  // a name of a file system type
  }
  return kNoArg;
}

}  // namespace

Arg ResolveArg(const CallRow& row, std::size_t index, const CallArgs& args) {
  const Arg& arg = row.args.at(index);
  switch (arg.kind) {
    case ArgKind::kIoctl:
      return IoctlArg(args);
    case ArgKind::kFcntl:
      return FcntlArg(args);
    case ArgKind::kPrctl:
      return PrctlArg(index, args);
    case ArgKind::kQuota:
      return QuotaArg(Low(args.at(arg.ref)));
    case ArgKind::kSysfs:
      return SysfsArg(index, args);
    default:
      return arg;
  }
}

std::int64_t LengthIn(std::uint64_t value, LengthType type) {
  switch (type) {
    case LengthType::kInt:
      return std::max(static_cast<std::int32_t>(value), -1);
    case LengthType::kUint:
      return Low(value);
    case LengthType::kSize:
      break;
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(value, kMost));
}

Extent ExtentOf(const Arg& arg, const CallArgs& args) {
  std::uint64_t raw = args.at(arg.ref);
  std::int64_t count = LengthIn(raw, arg.length_type);
  if (count < 0) {
    return {0, raw, true};
  }
  auto units = static_cast<std::uint64_t>(count);
  auto bytes_of = [&arg](std::uint64_t n) -> std::uint64_t {
    return arg.kind == ArgKind::kBits ? (n + 63) / 64 * 8 : n * arg.size;
  };
  std::uint64_t most =
      arg.kind == ArgKind::kBits ? arg.limit * 8ULL : arg.limit / arg.size;
  if (units <= most) {
    return {bytes_of(units), raw, false};
  }
  if (arg.overlong == Overlong::kRefuse) {
    return {0, raw, true};
  }
  // The last three bits stay: sched_getaffinity refuses a length that is not
  // a multiple of 8.
  units = arg.kind == ArgKind::kArray && arg.size == 1
              ? (most & ~7ULL) - 8 + (units & 7)
              : most;
  return {bytes_of(units), units, false};
}

std::vector<OptionLine> KnownIoctls() {
  std::vector<OptionLine> lines;
  for (const IoctlRow& row : rows::kIoctls) {
    lines.push_back({std::string(row.name), row.request, CallClass::kHome,
                     ComesHome::kNot, ""});
  }
  return lines;
}

std::vector<OptionLine> KnownPrctls() {
  std::vector<OptionLine> lines;
  for (const PrctlRow& row : rows::kPrctls) {
    lines.push_back({std::string(row.name), row.option, row.call_class,
                     row.comes_home, std::string(row.note)});
  }
  return lines;
}

}  // namespace ssi::supervisor
