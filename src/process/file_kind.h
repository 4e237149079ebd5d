#ifndef SSI_PROCESS_FILE_KIND_H_
#define SSI_PROCESS_FILE_KIND_H_

#include <sys/stat.h>

#include "base/ids.h"

namespace ssi {

// What a descriptor of another process, or of a thread of one, is of: its
// st_mode, for S_ISSOCK and its like (inode(7)). 0 where there is none. Opens
// nothing, so it never waits.
mode_t FileKind(HostPid thread, int fd);

}  // namespace ssi

#endif  // SSI_PROCESS_FILE_KIND_H_
