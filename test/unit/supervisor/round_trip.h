// A forwarded call in one process: this process is the guest, home and the
// stand-in. Every byte goes through request, wire, window and reply as it does
// between two nodes.
#ifndef SSI_TEST_UNIT_SUPERVISOR_ROUND_TRIP_H_
#define SSI_TEST_UNIT_SUPERVISOR_ROUND_TRIP_H_

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#include "supervisor/args.h"

namespace ssi::supervisor {

inline std::uint64_t Word(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}
template <typename T>
requires std::is_integral_v<T> || std::is_enum_v<T> std::uint64_t Word(
    T value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
}

// The call itself: a result, or -errno.
inline std::int64_t RawCall(int nr, const CallArgs& a) {
  errno = 0;
  long result = ::syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  return result == -1 && errno != 0 ? -errno : result;
}

// This process, page by page, so that a bad address is a count and no crash.
class OwnMemory final : public GuestMemory {
 public:
  std::size_t Read(RemoteAddr from, std::span<std::byte> into) override {
    return Copy(Raw(from), into, ::process_vm_readv);
  }
  std::size_t Write(RemoteAddr to, std::span<const std::byte> data) override {
    // process_vm_writev only reads the local side.
    std::span<std::byte> local(const_cast<std::byte*>(data.data()),
                               data.size());
    return Copy(Raw(to), local, ::process_vm_writev);
  }

 private:
  template <typename Call>
  static std::size_t Copy(std::uint64_t at, std::span<std::byte> local,
                          Call call) {
    std::size_t done = 0;
    while (done < local.size()) {
      std::size_t part =
          std::min<std::size_t>(4096 - (at + done) % 4096, local.size() - done);
      iovec ours{local.data() + done, part};
      iovec theirs{reinterpret_cast<void*>(at + done), part};
      if (call(::getpid(), &ours, 1, &theirs, 1, 0) !=
          static_cast<ssize_t>(part)) {
        break;
      }
      done += part;
    }
    return done;
  }
};

class RoundTrip {
 public:
  RoundTrip()
      : window_(static_cast<std::byte*>(
                    ::mmap(nullptr, kMaxWindow, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
                kMaxWindow) {}
  ~RoundTrip() { ::munmap(window_.data(), window_.size()); }
  RoundTrip(const RoundTrip&) = delete;
  RoundTrip& operator=(const RoundTrip&) = delete;

  template <typename... T>
  std::int64_t operator()(int nr, T... args) {
    return Call(nr, CallArgs{Word(args)...});
  }

  std::int64_t Call(int nr, const CallArgs& args) {
    Decision decision = Decide(nr, args);
    if (!IsForwarded(decision)) {
      throw std::logic_error("not forwarded");
    }
    MarshalIn(*decision.row, args, memory_, request);
    pieces = 0;
    for (;;) {
      ++pieces;
      CallResult result = Execute();
      undo = result.undo;
      if (!result.more || !MarshalNext(request, memory_)) {
        return result.value;
      }
    }
  }

  CallRequest request;
  UndoHint undo;
  int pieces = 0;

 private:
  CallResult Execute() {
    wire_.Clear();
    Encode(request, wire_);
    RequestView at_home = DecodeRequest(wire_.bytes()).value();
    LaidOutCall call =
        LayOut(at_home, window_, RemoteAddr{Word(window_.data())}).value();
    std::int64_t result = RawCall(call.nr, call.args);
    CallReply reply;
    Collect(call, result, window_, FlagsOf(call), reply);
    wire_.Clear();
    Encode(reply, wire_);
    return MarshalOut(request, DecodeReply(wire_.bytes()).value(), memory_)
        .value();
  }

  static std::uint8_t FlagsOf(const LaidOutCall& call) {
    struct stat info {};
    bool found = ::fstat(static_cast<int>(call.args[0]), &info) == 0;
    return found && (S_ISREG(info.st_mode) || S_ISBLK(info.st_mode))
               ? kRegularFile
               : kNoReplyFlags;
  }

  std::span<std::byte> window_;
  OwnMemory memory_;
  ByteBuffer wire_;
};

// Memory that ends where it says: a page that can be used, then one that
// cannot.
class EdgePage {
 public:
  EdgePage()
      : base_(static_cast<std::byte*>(
            ::mmap(nullptr, 2 * kPageSize, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    ::mprotect(base_ + kPageSize, kPageSize, PROT_NONE);
  }
  ~EdgePage() { ::munmap(base_, 2 * kPageSize); }
  EdgePage(const EdgePage&) = delete;
  EdgePage& operator=(const EdgePage&) = delete;

  // The last `size` bytes that can be used.
  std::byte* Last(std::size_t size) { return base_ + kPageSize - size; }
  std::byte* Bad() { return base_ + kPageSize; }

 private:
  static constexpr std::size_t kPageSize = 4096;
  std::byte* base_;
};

// A folder of its own, removed at the end.
class TempDir {
 public:
  explicit TempDir(const std::string& parent = "")
      : pattern_(parent.empty() ? ssi::test::TemporaryName("ssi-sup")
                                : parent + "/ssi-sup-XXXXXX") {
    path = ::mkdtemp(pattern_.data());
  }
  ~TempDir() {
    std::string command = "rm -rf '" + path + "'";
    if (std::system(command.c_str()) != 0) {
      std::abort();
    }
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return path + "/" + name;
  }

  std::string path;

 private:
  std::string pattern_;
};

}  // namespace ssi::supervisor

#endif  // SSI_TEST_UNIT_SUPERVISOR_ROUND_TRIP_H_
