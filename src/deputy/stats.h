#ifndef SSI_DEPUTY_STATS_H_
#define SSI_DEPUTY_STATS_H_

#include "base/result.h"
#include "deputy/deputy.h"
#include "proto/control.pb.h"

namespace ssi {

// What `ssirun --stats` says of one process.
void DescribeForStats(const Deputy& deputy, wire::ProcessStats& stats);

// As JSON, with every field, also those that are 0.
Status WriteStats(const wire::JobStats& stats, int fd);

}  // namespace ssi

#endif  // SSI_DEPUTY_STATS_H_
