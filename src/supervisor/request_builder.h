// Builds the request of one call out of the guest's memory. marshal_in.cc has
// the plain arguments and the pieces, request_structs.cc the structs that say
// their own size or point further. Used by these two only.
#ifndef SSI_SUPERVISOR_REQUEST_BUILDER_H_
#define SSI_SUPERVISOR_REQUEST_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "supervisor/call_payload.h"
#include "supervisor/call_table.h"
#include "supervisor/guest_memory.h"

namespace ssi::supervisor {

// Stands for the bytes that the guest does not have behind a struct of which
// home's kernel only writes: what it writes there is then seen as a change.
inline constexpr std::byte kFiller{0xa5};

// Lives for one call of MarshalIn or MarshalNext.
class RequestBuilder {
 public:
  RequestBuilder(GuestMemory& memory, CallRequest& request)
      : memory_(memory), request_(request) {}

  void Start(const CallRow& row, const CallArgs& args);
  void AddAll();
  // The next piece of a read or write; false where its memory is gone.
  bool AddPiece(std::size_t index, const Arg& arg);

 private:
  void Add(std::size_t index, const Arg& arg);
  void AddSecond(std::size_t index, const Arg& arg);

  void AddText(std::size_t index, const Arg& arg);
  void AddStruct(std::size_t index, const Arg& arg);
  void AddArray(std::size_t index, const Arg& arg);
  void AddData(std::size_t index, const Arg& arg);
  void AddVector(std::size_t index, const Arg& arg);
  void AddSized(std::size_t index, const Arg& arg);
  void AddHandle(std::size_t index, const Arg& arg);
  void AddSigsetPair(std::size_t index);
  void AddCapData(std::size_t index);
  void AddCounted(std::size_t index, const Arg& arg);

  // The pointer is bad: not mapped, or not even in user space.
  void Poison(std::size_t index);
  // The whole range behind the pointer does not fit into user space.
  void Refuse(std::size_t index) { request_.head.args[index] = kPoison; }
  // Adds a buffer whose bytes, if it goes in, are the last `length` of `data`.
  void Entry(std::size_t index, Direction direction, std::uint64_t length,
             std::uint64_t readable, std::uint8_t part = 0);
  // Appends `length` bytes from `address`; returns how many there were. The
  // rest is `filler`.
  std::uint64_t Take(std::uint64_t address, std::uint64_t length,
                     std::byte filler);
  // Reads a buffer and adds it, or poisons the argument where fewer than
  // `least` bytes can be read.
  void TakeEntry(std::size_t index, Direction direction, std::uint64_t length,
                 std::uint64_t least, std::byte filler = std::byte{0});
  bool IsUserRange(std::uint64_t address, std::uint64_t length);
  template <typename T>
  std::optional<T> ReadValue(std::uint64_t address) {
    T value{};
    auto bytes = std::as_writable_bytes(std::span(&value, 1));
    if (memory_.Read(RemoteAddr{address}, bytes) != bytes.size()) {
      return std::nullopt;
    }
    return value;
  }
  [[nodiscard]] std::uint64_t Pointer(std::size_t index) const {
    return request_.args[index];
  }

  GuestMemory& memory_;
  CallRequest& request_;
};

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_REQUEST_BUILDER_H_
