#ifndef SSI_REMOTE_CARRIED_VDSO_H_
#define SSI_REMOTE_CARRIED_VDSO_H_

#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "process/call_runner.h"
#include "process/image.h"
#include "process/tracee.h"
#include "process/vdso.h"
#include "process/vmas.h"

namespace ssi {

// Home's vdso in a body. Its code is where the program knows it, with jumps
// into a block of ours: a page of stubs, and the vdso of this node with its
// time pages. So it is whether or not the two kernels are the same: what a
// signal handler returns to may be the middle of home's vdso, on any node. Away
// that code finds zeros for time pages, in them no clock, and makes the system
// call. Where a jump has replaced it, it is found in the spare: a second copy,
// without the jumps. Of block and spare the program's memory never knows: a
// thread is taken out of them before a handler of a signal begins, and before
// it moves.
//
// Owner:      the body.
// Threads:    the tracer's.
// Invariants: after Place the body has no other kernel pages. The program can
//             unmap or change any of it, to its own harm only.
class CarriedVdso {
 public:
  // `own`: pages of ours that the body has besides.
  static Result<CarriedVdso> Place(CallRunner& runner, HostPid pid,
                                   const std::vector<Vma>& now,
                                   const ProcessImage& image,
                                   const MemoryRun& own);

  // Lets a stopped thread return to the program from stubs and local vdso; a
  // system call of a stub that is not over is one that the function has not
  // made yet. One in the spare is put where it would be at home. kRetry where
  // it cannot now. A signal that it is stopped for is forgotten by that.
  Status Leave(const Tracee& tracee) const;
  // A stopped thread that is where a jump has replaced code goes on in the
  // spare. After it has arrived, and, once, where it goes on after Leave.
  Status Enter(const Tracee& tracee) const;
  // The same for a return from a signal handler, which the kernel is about to
  // make with the address in `slot` of the frame.
  Status BeforeReturn(HostPid pid, RemoteAddr slot) const;

  // What in the body's memory is not the program's.
  [[nodiscard]] std::vector<MemoryRun> NotOfProgram() const;
  // The areas that the image has for it, with the names that they have at home.
  [[nodiscard]] const std::vector<ImageArea>& areas() const { return areas_; }

  // A handler of a stopped thread's own fault in the local vdso will return
  // there. No other handler does. `vmas`: of the body.
  [[nodiscard]] Result<bool> IsAwaited(const Tracee& tracee,
                                       const std::vector<Vma>& vmas) const;

 private:
  CarriedVdso() = default;
  Status MakeBlock(CallRunner& runner, const std::vector<Vma>& kernel);
  Status LeaveBlock(const Tracee& tracee, Registers registers) const;
  Status LeaveSpare(const Tracee& tracee, Registers registers) const;
  [[nodiscard]] bool InBlock(std::uint64_t address) const {
    return address - block_.address < block_.size;
  }
  // In the block, or in the middle of a jump into it.
  [[nodiscard]] bool InDetour(RemoteAddr ip) const {
    return InBlock(Raw(ip)) || detours_.Torn(ip);
  }
  [[nodiscard]] bool InSpare(std::uint64_t address) const {
    return address - spare_.address < spare_.size;
  }
  [[nodiscard]] std::uint64_t ToSpare() const {
    return spare_.address - areas_.front().vma.start;
  }

  MemoryRun block_{};  // the stubs, then the pages of this kernel
  MemoryRun spare_{};  // behind it: as all of areas_, from the first one on
  std::vector<ImageArea> areas_;  // in order of address
  VdsoDetours detours_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_CARRIED_VDSO_H_
