// The arguments of forwarded calls, in and out of two processes, by the table
// alone. Away, in order:
//
//   MarshalIn     guest memory -> CallRequest             (then it is sent)
//   MarshalOut    reply -> guest memory, final result
//   MarshalNext   while MarshalOut says `more`
//
// At home:
//
//   LayOut        request -> window, number and registers  (then it is called)
//   Collect       window and result -> CallReply
//
// What a program can do with bad pointers and lengths is decided by home's
// kernel, in its own order of errors: an input that cannot be read goes as a
// pointer that faults there too (kPoison, kUnmapped), NULL stays NULL. A partly
// readable buffer of a write is sent as its readable prefix, a short write, as
// natively. An output that cannot be written is found only after the call was
// made: the result then is -EFAULT (or the bytes before the fault, of a read),
// and UndoHint says what home has to take back.
#ifndef SSI_SUPERVISOR_ARGS_H_
#define SSI_SUPERVISOR_ARGS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.h"
#include "base/result.h"
#include "supervisor/call_payload.h"
#include "supervisor/call_table.h"
#include "supervisor/guest_memory.h"

namespace ssi::supervisor {

// ---- away ------------------------------------------------------------------

// Fills `request` for a call that IsForwarded. Reads each byte of the guest's
// memory once. Never fails: what cannot be read becomes home's to refuse.
void MarshalIn(const CallRow& row, const CallArgs& args, GuestMemory& memory,
               CallRequest& request);

// What is known only now that the arguments were read: sched_setattr with a
// real-time policy comes home. For all other calls the class is unchanged.
CallClass ReclassifyMarshalled(const CallRequest& request,
                               CallClass call_class);

// What home should take back because the guest cannot receive it.
struct UndoHint {
  enum class Kind : std::uint8_t {
    kNone,
    kSeekBack,   // lseek(fd, -bytes, SEEK_CUR), where the fd can seek
    kClosePair,  // close fd and second_fd
  };
  Kind kind = Kind::kNone;
  int fd = -1;
  int second_fd = -1;
  std::int64_t bytes = 0;
  friend bool operator==(const UndoHint&, const UndoHint&) = default;
};

struct CallResult {
  std::int64_t value = 0;  // for rax, unless `more`
  bool more = false;       // send what MarshalNext makes
  UndoHint undo;
};

// kProtocol for a reply that does not belong to the request; nothing was
// written then.
Result<CallResult> MarshalOut(CallRequest& request, const ReplyView& reply,
                              GuestMemory& memory);

// The next piece of a large read or write. False: the guest's memory ends
// here, the call is over with the value that MarshalOut gave.
bool MarshalNext(CallRequest& request, GuestMemory& memory);

// ---- home ------------------------------------------------------------------

// A call as it is made: its buffers lie in the window.
struct LaidOutCall {
  int nr = -1;
  CallArgs args{};
  const CallRow* row = nullptr;
  std::uint8_t buffer_count = 0;
  std::array<BufferEntry, kMaxBuffers> buffers{};
  std::array<std::uint32_t, kMaxBuffers> offsets{};  // in the window
  std::array<OutRule, kMaxBuffers> rules{};
  std::array<std::uint32_t, kMaxBuffers> units{};
};

// Checks `request` against the table and places it into `window`, which the
// caller sees at `address`. Fails with kProtocol, and makes no call possible,
// for a number that is not forwarded, a pointer other than NULL, a bad one or a
// buffer, and a length that is not the table's; with kInvalid where the window
// is too small (kMaxWindow never is).
//
// Every pointer in `args` of the result is 0, bad, or points to a part of the
// window that is large enough for whatever the kernel does with it.
Result<LaidOutCall> LayOut(const RequestView& request,
                           std::span<std::byte> window, RemoteAddr address);

// The reply, with spans into the window. `flags`: kRegularFile, which only
// matters where a read was filled to the last byte.
void Collect(const LaidOutCall& call, std::int64_t result,
             std::span<const std::byte> window, std::uint8_t flags,
             CallReply& reply);

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_ARGS_H_
