#ifndef SSI_SUPERVISOR_PROCESS_MEMORY_H_
#define SSI_SUPERVISOR_PROCESS_MEMORY_H_

#include "base/ids.h"
#include "supervisor/guest_memory.h"

namespace ssi {

// A guest's memory through process_vm_readv(2) and _writev(2): with the
// protection that the guest itself has.
class ProcessMemory final : public supervisor::GuestMemory {
 public:
  explicit ProcessMemory(HostPid pid) : pid_(pid) {}
  std::size_t Read(RemoteAddr from, std::span<std::byte> into) override;
  std::size_t Write(RemoteAddr to, std::span<const std::byte> data) override;

 private:
  HostPid pid_;
};

}  // namespace ssi

#endif  // SSI_SUPERVISOR_PROCESS_MEMORY_H_
