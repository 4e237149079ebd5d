#include "support.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include <catch2/catch.hpp>

#include "base/unix_socket.h"

namespace ssi::proto::test {

FdPair UnixPair() {
  auto pair = MakeSocketPair(SOCK_STREAM);
  REQUIRE(pair);
  return std::move(*pair);
}

FdPair TcpPair() {
  UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listening.get(), generic, size) == 0);
  REQUIRE(::listen(listening.get(), 1) == 0);
  REQUIRE(::getsockname(listening.get(), generic, &size) == 0);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), generic, size) == 0);
  UniqueFd server(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(server.valid());
  return {std::move(client), std::move(server)};
}

Bytes Pattern(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  std::uint32_t state = seed * 2654435761U + 1;
  for (auto& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Key TestKey(int number) {
  std::array<std::byte, kKeySize> bytes{};
  bytes[5] = static_cast<std::byte>(number);
  return Key::FromBytes(bytes);
}

TlsContext TestContext(int key_number, const std::string& identity) {
  auto context = TlsContext::Make(TestKey(key_number), identity);
  REQUIRE(context);
  return *context;
}

bool RunUntil(Loop& loop, const std::function<bool()>& done,
              std::chrono::nanoseconds limit) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (loop.stopped()) {
      loop.restart();
    }
    if (loop.run_one_until(end) == 0 &&
        std::chrono::steady_clock::now() >= end) {
      return false;
    }
  }
  return true;
}

Channel::Callbacks Party::Journal() {
  Channel::Callbacks callbacks;
  callbacks.on_open = [this](Status status) {
    CHECK_FALSE(opened.has_value());
    opened = std::move(status);
  };
  callbacks.on_frame = [this](const FrameHeader& header,
                              std::span<const std::byte> payload) {
    frames.push_back({header, Bytes(payload.begin(), payload.end())});
  };
  callbacks.on_closed = [this](Error error) {
    closed.push_back(std::move(error));
  };
  callbacks.on_received = [this] {
    ++received;
  };
  return callbacks;
}

void Parties::Start(FdPair fds, const TlsContext& client_context,
                    const TlsContext& server_context) {
  client.channel = Channel::Client(loop, std::move(fds.first), client_context,
                                   client.Journal(), client_limits);
  server.channel = Channel::Server(loop, std::move(fds.second), server_context,
                                   server.Journal(), server_limits);
}

void Parties::Open(FdPair fds) {
  Start(std::move(fds), TestContext(), TestContext());
  REQUIRE(RunUntil(loop, [this] { return client.open() && server.open(); }));
}

}  // namespace ssi::proto::test
