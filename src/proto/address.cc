#include "proto/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/files.h"

namespace ssi::proto {

namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;
using NameFunction = int (*)(int, sockaddr*, socklen_t*);

// Null with `failed` set to what getaddrinfo(3) said.
AddressList Lookup(const HostPort& where, AddressUse use, int flags,
                   int& failed) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags =
      flags | AI_NUMERICSERV | (use == AddressUse::kListen ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  failed = ::getaddrinfo(where.host.empty() ? nullptr : where.host.c_str(),
                         std::to_string(where.port).c_str(), &hints, &list);
  return {failed == 0 ? list : nullptr, &::freeaddrinfo};
}

Result<std::string> NameOf(int socket, NameFunction function,
                           const char* what) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (function(socket, reinterpret_cast<sockaddr*>(&address.storage),
               &address.size) != 0) {
    return FailErrno(errno, "{}", what);
  }
  return FormatAddress(address);
}

}  // namespace

Result<HostPort> ParseHostPort(const std::string& text) {
  auto colon = text.rfind(':');
  if (colon == std::string::npos) {
    return Fail(ErrorCode::kInvalid, "\"{}\" is not HOST:PORT", text);
  }
  auto port =
      ParseNumber<std::uint16_t>(std::string_view(text).substr(colon + 1));
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string::npos) {
    return Fail(ErrorCode::kInvalid,
                "\"{}\": write an IPv6 address as [ADDRESS]:PORT", text);
  }
  if (!port) {
    return Fail(ErrorCode::kInvalid, "\"{}\": no port number after the colon",
                text);
  }
  return HostPort{host == "*" ? "" : host, *port};
}

Result<std::vector<SocketAddress>> ResolveAddress(const std::string& text,
                                                  AddressUse use) {
  SSI_ASSIGN(HostPort where, ParseHostPort(text));
  if (use == AddressUse::kConnect && (where.host.empty() || where.port == 0)) {
    return Fail(ErrorCode::kInvalid, "\"{}\" names no node to connect to",
                text);
  }
  int failed = 0;
  AddressList list = Lookup(where, use, AI_NUMERICHOST, failed);
  if (!list) {
    list = Lookup(where, use, AI_ADDRCONFIG, failed);
  }
  if (!list) {
    return Fail(failed == EAI_AGAIN ? ErrorCode::kRetry : ErrorCode::kInvalid,
                "host \"{}\": {}", where.host, ::gai_strerror(failed));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    address.size = at->ai_addrlen;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
  }
  return addresses;
}

std::string FormatAddress(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.storage, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address.storage, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  return "local";
}

Result<std::string> LocalAddress(int socket) {
  return NameOf(socket, ::getsockname, "getsockname");
}

Result<std::string> PeerAddress(int socket) {
  return NameOf(socket, ::getpeername, "getpeername");
}

}  // namespace ssi::proto
