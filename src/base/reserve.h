// Descriptors that are kept for when there are no others.
#ifndef SSI_BASE_RESERVE_H_
#define SSI_BASE_RESERVE_H_

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi {

// From now on this process has a few. For those that must go on looking into
// /proc whatever happens: who cannot see that a process has ended waits for it
// for ever. Once, when all other descriptors have been let go of.
void KeepReserve();

// As Open(), of what is closed again soon: at the limit of open files it takes
// one of the reserve. Any thread.
Result<UniqueFd> OpenBriefly(const std::string& path, int flags);

}  // namespace ssi

#endif  // SSI_BASE_RESERVE_H_
