#include "proto/message.h"

namespace ssi::proto {

Result<std::vector<std::byte>> EncodeMessage(
    const google::protobuf::MessageLite& message, std::size_t limit) {
  std::size_t size = message.ByteSizeLong();
  if (size > limit) {
    return Fail(ErrorCode::kInvalid, "{} of {} bytes, over the limit of {}",
                message.GetTypeName(), size, limit);
  }
  std::vector<std::byte> bytes(size);
  if (!message.SerializeToArray(bytes.data(), static_cast<int>(size))) {
    return Fail(ErrorCode::kInvalid, "{} cannot be encoded",
                message.GetTypeName());
  }
  return bytes;
}

Status DecodeMessage(std::span<const std::byte> bytes,
                     google::protobuf::MessageLite& message,
                     std::size_t limit) {
  message.Clear();
  if (bytes.size() > limit) {
    return Fail(ErrorCode::kProtocol, "{} of {} bytes, over the limit of {}",
                message.GetTypeName(), bytes.size(), limit);
  }
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    message.Clear();
    return Fail(ErrorCode::kProtocol, "malformed {}", message.GetTypeName());
  }
  return {};
}

}  // namespace ssi::proto
