// TCP addresses: from text and back.
#ifndef SSI_PROTO_ADDRESS_H_
#define SSI_PROTO_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace ssi::proto {

// "HOST:PORT", "[V6-ADDRESS]:PORT". HOST may be empty or "*" where it is
// listened on: all addresses.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> ParseHostPort(const std::string& text);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

enum class AddressUse { kConnect, kListen };

// The addresses behind "HOST:PORT", at least one. Numeric ones, which are the
// normal case, are only parsed. A name goes to getaddrinfo(3), which reads
// files and asks servers: it can block this thread for seconds.
Result<std::vector<SocketAddress>> ResolveAddress(const std::string& text,
                                                  AddressUse use);

// "192.0.2.1:7000", "[2001:db8::1]:7000".
std::string FormatAddress(const SocketAddress& address);
Result<std::string> LocalAddress(int socket);
Result<std::string> PeerAddress(int socket);

}  // namespace ssi::proto

#endif  // SSI_PROTO_ADDRESS_H_
