// What a remote reports of its process (session.proto, Usage).
#ifndef SSI_DEPUTY_USAGE_H_
#define SSI_DEPUTY_USAGE_H_

#include "deputy/history.h"
#include "process/image.h"
#include "proto/session.pb.h"

namespace ssi {

inline CpuTime CpuOf(const wire::Usage& usage) {
  return {Nanos(usage.cpu_user_ns()), Nanos(usage.cpu_system_ns())};
}
// Without what no remote of ours says.
AwayCallCounts CallsOf(const wire::Usage& usage);

}  // namespace ssi

#endif  // SSI_DEPUTY_USAGE_H_
