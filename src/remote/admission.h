#ifndef SSI_REMOTE_ADMISSION_H_
#define SSI_REMOTE_ADMISSION_H_

#include <optional>
#include <string>

#include "migration/messages.h"
#include "proto/session.pb.h"
#include "remote/policy.h"

namespace ssi {

// Why this node does not take the process that is asked for, in words for the
// user; nothing: it takes it.
std::optional<std::string> ReasonToRefuse(const migration::Ask& ask,
                                          const wire::AskDetails& details,
                                          const GuestPolicy& policy);

}  // namespace ssi

#endif  // SSI_REMOTE_ADMISSION_H_
