// Protobuf messages as payloads of frames.
#ifndef SSI_PROTO_MESSAGE_H_
#define SSI_PROTO_MESSAGE_H_

#include <cstddef>
#include <span>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "base/result.h"
#include "proto/frame.h"

namespace ssi::proto {

// kInvalid where it would be over `limit`: what does not fit a frame is sent
// another way, never in part.
Result<std::vector<std::byte>> EncodeMessage(
    const google::protobuf::MessageLite& message,
    std::size_t limit = kMaxFrame);

// kProtocol where `bytes` are over `limit` or no such message. On failure
// `message` is empty.
Status DecodeMessage(std::span<const std::byte> bytes,
                     google::protobuf::MessageLite& message,
                     std::size_t limit = kMaxFrame);

}  // namespace ssi::proto

#endif  // SSI_PROTO_MESSAGE_H_
