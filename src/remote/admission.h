#ifndef SSI_REMOTE_ADMISSION_H_
#define SSI_REMOTE_ADMISSION_H_

#include <optional>
#include <string>
#include <vector>

#include "migration/messages.h"
#include "process/vmas.h"
#include "proto/session.pb.h"
#include "remote/policy.h"

namespace ssi {

// Why this node does not take the process that is asked for, in words for the
// user; nothing: it takes it.
std::optional<std::string> ReasonToRefuse(const migration::Ask& ask,
                                          const wire::AskDetails& details,
                                          const GuestPolicy& policy);

// What must agree on both nodes beyond the protocol: ssi's own version, the
// image format, the call table's payload.
std::string CaptureVersion();

// The kernel's own areas of this process: their sizes in order, and the
// SHA-256 of the vdso's code. Written into an ask, and compared with it.
void DescribeVdso(wire::AskDetails& details);

}  // namespace ssi

#endif  // SSI_REMOTE_ADMISSION_H_
