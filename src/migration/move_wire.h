// The messages of a move and their form on the wire (proto/session.proto).
#ifndef SSI_MIGRATION_MOVE_WIRE_H_
#define SSI_MIGRATION_MOVE_WIRE_H_

#include "base/result.h"
#include "migration/messages.h"
#include "proto/session.pb.h"

namespace ssi::migration {

// `details` goes with an Ask and is ignored with anything else.
void ToWire(Role from, const Message& message, const wire::AskDetails& details,
            wire::Move& out);

struct ReceivedMove {
  Role from{};
  Message message;
};
// kProtocol for a kind, role or text that is not allowed. The texts of a peer
// are cut to kMostText bytes.
Result<ReceivedMove> FromWire(const wire::Move& in);

inline constexpr std::size_t kMostText = 1024;

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_MOVE_WIRE_H_
