// What an argument of a system call is: the vocabulary of the table's rows.
//
// Both sides of a forwarded call work from these descriptions alone: the away
// side reads and writes the guest's memory by them, the home side lays the
// window out by them and refuses whatever does not fit them.
#ifndef SSI_SUPERVISOR_ARG_H_
#define SSI_SUPERVISOR_ARG_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace ssi::supervisor {

// The six registers, as the caller had them.
using CallArgs = std::array<std::uint64_t, 6>;

enum class ArgKind : std::uint8_t {
  kNone,    // beyond the arity: home gets 0, whatever the register holds
  kInt,     // a number, passed as it is
  kInt32,   // a number cut to 32 bits, so that it can never be a pointer
  kFd,      // a descriptor
  kDirFd,   // a directory descriptor or AT_FDCWD
  kFlags,   // flag bits or a mode
  kLength,  // a length or count that another argument refers to
  kPath,    // NUL-terminated, at most PATH_MAX with its NUL
  kString,  // NUL-terminated, at most `size` bytes
  kStruct,  // `size` bytes
  kArray,   // `size` bytes times the argument `ref`
  kData,    // the bytes of a read or write: as many as `ref` says, in pieces
  kVector,  // the same, behind an array of `ref` iovecs
  kBits,    // a bit map of `ref` bits, rounded up to whole longs
  kSized,   // a struct that begins with its own size as u32 (sched_attr)
  kHandle,  // struct file_handle: 8 bytes and what its first u32 says
  kSigsetPair,  // pselect6's {const sigset_t*, size_t}
  kCapData,     // capset's data: one or two times 12 bytes, by argument 0
  kCounted,     // as many bytes as the u32 behind the argument `ref` says
  kIoctl,       // by the request in argument 1
  kFcntl,       // by the command in argument 1
  kPrctl,       // by the option in argument 0
  kQuota,       // by the command in the argument `ref`
  kSysfs,       // by the option in argument 0
};

enum class Direction : std::uint8_t { kIn = 1, kOut = 2, kInOut = 3 };

constexpr bool GoesIn(Direction d) {
  return d != Direction::kOut;
}
constexpr bool ComesOut(Direction d) {
  return d != Direction::kIn;
}

// Which of the bytes that home's kernel may have written go back.
enum class OutRule : std::uint8_t {
  kNone,
  kSuccess,         // all, where the result is not an error
  kPositive,        // all, where the result is above 0 (wait4 found a child)
  kResult,          // as many units of `size` as the result says
  kAlways,          // all, whatever the result
  kChanged,         // the ones that differ from what was sent, always
  kChangedQuietly,  // the same; failing to write them is no error (select)
};

// How the argument `ref` counts.
enum class LengthType : std::uint8_t { kSize, kInt, kUint };

// What becomes of a length above `limit`.
enum class Overlong : std::uint8_t {
  kTruncate,  // home sees the limit: it never fills or looks at more
  kRefuse,    // home sees the length with a bad pointer: it refuses by itself
  kPieces,    // the call is made several times (PieceCursor)
};

struct Arg {
  ArgKind kind = ArgKind::kNone;
  Direction direction = Direction::kIn;
  OutRule rule = OutRule::kNone;
  Overlong overlong = Overlong::kRefuse;
  LengthType length_type = LengthType::kSize;
  std::uint8_t ref = 0;     // the argument that holds the length
  std::uint32_t size = 0;   // of the struct, or of one unit
  std::uint32_t limit = 0;  // most bytes of an array or string
};

// ---- the words that the rows are written in --------------------------------

inline constexpr Arg kInt{.kind = ArgKind::kInt};
inline constexpr Arg kInt32{.kind = ArgKind::kInt32};
inline constexpr Arg kFd{.kind = ArgKind::kFd};
inline constexpr Arg kDirFd{.kind = ArgKind::kDirFd};
inline constexpr Arg kFlags{.kind = ArgKind::kFlags};
inline constexpr Arg kLength{.kind = ArgKind::kLength};
inline constexpr Arg kNoArg{};

// PATH_MAX. A longer one goes home as this many bytes without a NUL, so that
// the kernel there says ENAMETOOLONG.
inline constexpr std::uint32_t kMaxPath = 4096;
// A buffer for a path or a link: longer than either can be.
inline constexpr std::uint32_t kMaxPathBuffer = 2 * kMaxPath;
// The kernel's signal set; any other size is EINVAL before a byte is read.
inline constexpr std::uint32_t kSigsetSize = 8;
// No extensible struct of the kernel is larger than a page (E2BIG).
inline constexpr std::uint32_t kMaxSized = 4096;
inline constexpr std::uint32_t kMaxHandle = 8 + 128;  // MAX_HANDLE_SZ
inline constexpr std::uint32_t kMaxVectors = 1024;    // UIO_MAXIOV
// What the kernel cuts every read and write to.
inline constexpr std::uint64_t kMaxRwCount = 0x7ffff000;

inline constexpr Arg kPath{.kind = ArgKind::kPath, .limit = kMaxPath};

constexpr Arg String(std::uint32_t limit) {
  return {.kind = ArgKind::kString, .limit = limit};
}
constexpr Arg In(std::uint32_t size) {
  return {.kind = ArgKind::kStruct, .size = size};
}
constexpr Arg Out(std::uint32_t size, OutRule rule = OutRule::kSuccess) {
  return {.kind = ArgKind::kStruct,
          .direction = Direction::kOut,
          .rule = rule,
          .size = size};
}
constexpr Arg InOut(std::uint32_t size, OutRule rule = OutRule::kSuccess) {
  return {.kind = ArgKind::kStruct,
          .direction = Direction::kInOut,
          .rule = rule,
          .size = size};
}
// A struct of which the kernel writes only some bytes, or only sometimes.
constexpr Arg Maybe(std::uint32_t size) {
  return InOut(size, OutRule::kChanged);
}
// A time limit that select and poll may count down. The kernel ignores that
// it cannot be written.
constexpr Arg TimeLimit() {
  return InOut(16, OutRule::kChangedQuietly);
}

constexpr Arg DataIn(std::uint8_t ref) {
  return {.kind = ArgKind::kData,
          .overlong = Overlong::kPieces,
          .ref = ref,
          .size = 1};
}
constexpr Arg DataOut(std::uint8_t ref) {
  return {.kind = ArgKind::kData,
          .direction = Direction::kOut,
          .rule = OutRule::kResult,
          .overlong = Overlong::kPieces,
          .ref = ref,
          .size = 1};
}
constexpr Arg VectorIn(std::uint8_t ref) {
  Arg arg = DataIn(ref);
  arg.kind = ArgKind::kVector;
  arg.length_type = LengthType::kUint;
  return arg;
}
constexpr Arg VectorOut(std::uint8_t ref) {
  Arg arg = DataOut(ref);
  arg.kind = ArgKind::kVector;
  arg.length_type = LengthType::kUint;
  return arg;
}
constexpr Arg ArrayIn(std::uint8_t ref, std::uint32_t unit, std::uint32_t limit,
                      LengthType type, Overlong overlong = Overlong::kRefuse) {
  return {.kind = ArgKind::kArray,
          .overlong = overlong,
          .length_type = type,
          .ref = ref,
          .size = unit,
          .limit = limit};
}
constexpr Arg ArrayOut(std::uint8_t ref, std::uint32_t unit,
                       std::uint32_t limit, LengthType type,
                       OutRule rule = OutRule::kResult,
                       Overlong overlong = Overlong::kTruncate) {
  return {.kind = ArgKind::kArray,
          .direction = Direction::kOut,
          .rule = rule,
          .overlong = overlong,
          .length_type = type,
          .ref = ref,
          .size = unit,
          .limit = limit};
}
constexpr Arg ArrayInOut(std::uint8_t ref, std::uint32_t unit,
                         std::uint32_t limit, LengthType type, OutRule rule) {
  Arg arg = ArrayOut(ref, unit, limit, type, rule, Overlong::kRefuse);
  arg.direction = Direction::kInOut;
  return arg;
}
// A buffer that a call fills with result-many bytes.
constexpr Arg BytesOut(std::uint8_t ref, std::uint32_t limit,
                       LengthType type = LengthType::kSize) {
  return ArrayOut(ref, 1, limit, type);
}
constexpr Arg Sigset(std::uint8_t ref) {
  return ArrayIn(ref, 1, kSigsetSize, LengthType::kSize);
}
// select's sets: the kernel looks at as many bits as the process can have
// descriptors, so home may see fewer than the caller said.
constexpr Arg FdSet(std::uint8_t ref) {
  return {.kind = ArgKind::kBits,
          .direction = Direction::kInOut,
          .rule = OutRule::kSuccess,
          .overlong = Overlong::kTruncate,
          .length_type = LengthType::kInt,
          .ref = ref,
          .size = 1,
          .limit = 64 << 10};
}
constexpr Arg BitsIn(std::uint8_t ref, std::uint32_t limit) {
  return {.kind = ArgKind::kBits, .ref = ref, .size = 1, .limit = limit};
}
constexpr Arg Kind(ArgKind kind, Direction direction = Direction::kIn,
                   OutRule rule = OutRule::kNone, std::uint8_t ref = 0,
                   std::uint32_t limit = 0) {
  return {.kind = kind,
          .direction = direction,
          .rule = rule,
          .ref = ref,
          .limit = limit};
}

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_ARG_H_
