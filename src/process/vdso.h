// The vdso as plain bytes: what can be called in it, and what to change in one
// that came along from another kernel. Pure.
#ifndef SSI_PROCESS_VDSO_H_
#define SSI_PROCESS_VDSO_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace ssi {

// A function that the vdso exports, by its name without "__vdso_".
struct VdsoFunction {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

// In order of offset, each once. kProtocol for what is no vdso: the bytes may
// come from another node.
Result<std::vector<VdsoFunction>> FindVdsoFunctions(
    std::span<const std::byte> code);

// A vdso works with its own kernel's time pages only. Away, where the kernel is
// another one, each function of the vdso that came along begins with a jump
// into a page of stubs, and from there on into the vdso of that kernel. A stub
// makes the system call by itself where there is no such function, and where
// the call is not answered on that node alone: no thread ever waits for home
// inside of the local vdso.
struct VdsoDetours {
  struct Entry {
    RemoteAddr function;  // in the vdso that came along
    RemoteAddr call;      // the `syscall` of its stub, with `ret` behind it;
                          // the stack is as it was at `function`
  };
  std::vector<std::byte> code;   // that came along, with the jumps
  std::vector<std::byte> stubs;  // a page
  std::vector<Entry> entries;

  // Whether a thread that stands at `ip` would find other code than it had
  // before: inside of what a jump has replaced.
  [[nodiscard]] bool Torn(RemoteAddr ip) const;
};

// Where each of them will be.
struct VdsoPlaces {
  RemoteAddr carried{};
  RemoteAddr stubs{};
  RemoteAddr local{};
};
Result<VdsoDetours> MakeDetours(std::span<const std::byte> carried,
                                std::span<const std::byte> local,
                                const VdsoPlaces& places);

}  // namespace ssi

#endif  // SSI_PROCESS_VDSO_H_
