#ifndef SSI_DEPUTY_STATS_H_
#define SSI_DEPUTY_STATS_H_

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "deputy/deputy.h"
#include "proto/control.pb.h"

namespace ssi {

// What `ssirun --stats` and `ssictl ps` say of one process, which is not reaped
// yet: of one that never moved, and of one that may have.
void DescribeAtHome(pid_t pid, const std::string& command,
                    const std::string& home, wire::ProcessStats& stats);
void DescribeMoved(const Deputy& deputy, const std::string& home,
                   wire::ProcessStats& stats);

// As JSON, with every field, also those that are 0.
Status WriteStats(const wire::JobStats& stats, int fd);

}  // namespace ssi

#endif  // SSI_DEPUTY_STATS_H_
