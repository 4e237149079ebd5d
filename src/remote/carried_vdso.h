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
// signal handler returns to may be the middle of either vdso, and both can
// follow it to any other node, to find zeros for time pages there. In these the
// code finds no clock, and makes the system call.
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
  // made yet. kRetry where it cannot now.
  Status Leave(const Tracee& tracee) const;

  // What in the body's memory is not the program's.
  [[nodiscard]] std::vector<MemoryRun> NotOfProgram() const;
  // The areas that the image has for it, with the names that they have at home.
  [[nodiscard]] const std::vector<ImageArea>& areas() const { return areas_; }

  // A signal handler of a stopped thread will return into the block. Then the
  // block must travel as memory of the program's. `vmas`: of the body.
  [[nodiscard]] Result<bool> IsAwaited(const Tracee& tracee,
                                       const std::vector<Vma>& vmas) const;
  // The block, as such memory, and what of it has contents.
  void AddBlock(const std::vector<Vma>& vmas, std::vector<ImageArea>& areas,
                std::vector<MemoryRun>& contents) const;

 private:
  CarriedVdso() = default;
  Status MakeBlock(CallRunner& runner, const std::vector<Vma>& kernel);
  [[nodiscard]] bool InBlock(std::uint64_t address) const {
    return address - block_.address < block_.size;
  }

  MemoryRun block_{};  // the stubs, then the pages of this kernel
  std::vector<ImageArea> areas_;
  VdsoDetours detours_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_CARRIED_VDSO_H_
