// Making a process from an image, by calls that it executes itself: in the
// empty sandbox of another node, or in the stand-in at home.
#ifndef SSI_PROCESS_REBUILD_H_
#define SSI_PROCESS_REBUILD_H_

#include <functional>
#include <vector>

#include "base/result.h"
#include "process/call_runner.h"
#include "process/image.h"
#include "process/signal_state.h"
#include "process/tracee.h"

namespace ssi {

// Tells the descriptor number, in the process under construction, of a mapped
// file, and how it is mapped there. The caller makes the descriptor and closes
// it after MapAreas.
struct FileToMap {
  int number = -1;
  bool shared = false;
};
using FileNumber = std::function<Result<FileToMap>(std::uint32_t file_id)>;

// Maps every area but vdso, vvar and kept ones, writable where contents will
// follow (`contents`: the runs that will be written, in order of address).
Status MapAreas(CallRunner& runner, const ProcessImage& image,
                const std::vector<MemoryRun>& contents,
                const FileNumber& file_number);

// After the contents: final protections, advice, locks, guard pages; brk and
// the layout that /proc shows; seals last.
Status FinishAreas(CallRunner& runner, const ProcessImage& image,
                   const std::vector<MemoryRun>& contents);

// Signal actions and prctl states. Only those actions are set that differ from
// `current`: setting an action to what it is already can discard a pending
// signal.
Status RestoreStates(CallRunner& runner, const ProcessImage& image,
                     const SignalActions& current);

// The calls by which a thread restores its own: alternate stack, tid address,
// robust list, rseq and name.
Status AddThreadStates(CallBatch& batch, const ThreadImage& thread);

// Registers, extended state and mask of a stopped thread. It may then run.
Status RestoreThread(const Tracee& tracee, const ThreadImage& thread);

// The ranges of `vmas` that a rebuilt process does not have: everything but
// the kernel's pages and `keep` (in order of address), as ranges to unmap.
std::vector<MemoryRun> RangesToUnmap(const std::vector<Vma>& vmas,
                                     const std::vector<MemoryRun>& keep);
Status UnmapRanges(CallRunner& runner, const std::vector<MemoryRun>& ranges);

}  // namespace ssi

#endif  // SSI_PROCESS_REBUILD_H_
