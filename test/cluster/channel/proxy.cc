#include "cluster/channel/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <catch2/catch.hpp>

namespace ssi::test {

namespace {

// src/proto/preamble.h: what a connection is for, and that it is for calls.
constexpr std::size_t kPreamble = 48;
constexpr std::size_t kPurposeAt = 12;
constexpr std::uint16_t kCalls = 2;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

void SendAtOnce(int fd) {
  constexpr int kOn = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
}

}  // namespace

Proxy::Proxy() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener_, SOMAXCONN) == 0);
  REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address),
                        &size) == 0);
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  thread_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  stop_ = true;
  thread_.join();
  for (auto& connection : connections_) {
    Close(connection, false);
  }
  ::close(listener_);
}

void Proxy::LeadTo(const std::string& address) {
  std::lock_guard lock(mutex_);
  port_ = std::stoi(address.substr(address.rfind(':') + 1));
}

void Proxy::CutAtRandom(unsigned cuts, std::uint64_t seed) {
  std::lock_guard lock(mutex_);
  random_.seed(seed);
  cuts_left_ = cuts;
  for (auto& connection : connections_) {
    PlanCut(connection);
  }
}

// ---- its thread -------------------------------------------------------------

void Proxy::PlanCut(Connection& connection) {
  if (!connection.calls || cuts_left_ == 0) {
    connection.budget = 0;
    return;
  }
  constexpr std::uint64_t kHandshake = 900;
  constexpr std::uint64_t kFar = 4000;
  // One in six does not live to see its handshake's end.
  bool early = random_() % 6 == 0;
  connection.budget = 1 + random_() % (early ? kHandshake : kFar);
}

void Proxy::Run() {
  while (!stop_) {
    std::vector<pollfd> ready;
    {
      std::lock_guard lock(mutex_);
      if (port_ != 0) {
        ready.push_back({listener_, POLLIN, 0});
      }
      for (const auto& connection : connections_) {
        for (const auto* side : {&connection.client, &connection.server}) {
          short events = side->waiting.empty() ? POLLIN : POLLIN | POLLOUT;
          ready.push_back({side->fd, paused_ ? short{0} : events, 0});
        }
      }
    }
    constexpr int kLookMs = 20;
    if (::poll(ready.data(), ready.size(), kLookMs) <= 0 || paused_) {
      continue;
    }
    std::lock_guard lock(mutex_);
    for (auto& connection : connections_) {
      Flush(connection, connection.client);
      Flush(connection, connection.server);
      Move(connection, connection.client, connection.server);
      Move(connection, connection.server, connection.client);
    }
    connections_.remove_if([](const Connection& one) { return one.over; });
    if (port_ != 0) {
      Accept();
    }
  }
}

void Proxy::Accept() {
  pollfd ready{listener_, POLLIN, 0};
  while (::poll(&ready, 1, 0) > 0) {
    Connection connection;
    connection.client.fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    connection.server.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(port_);
    if (::connect(connection.server.fd, reinterpret_cast<sockaddr*>(&address),
                  sizeof address) != 0) {
      Close(connection, true);
      continue;
    }
    SendAtOnce(connection.client.fd);
    SendAtOnce(connection.server.fd);
    connections_.push_back(std::move(connection));
  }
}

void Proxy::Learn(Connection& connection, const char* bytes, std::size_t size) {
  connection.first.append(bytes, size);
  if (connection.first.size() >= kPreamble) {
    connection.known = true;
    std::uint16_t purpose = 0;
    std::memcpy(&purpose, connection.first.data() + kPurposeAt, sizeof purpose);
    connection.calls = purpose == kCalls;
    PlanCut(connection);
  }
}

// Of the bytes at hand, those that still get through.
std::size_t Proxy::Allowed(Connection& connection, std::size_t size) {
  if (connection.budget == 0) {
    return size;
  }
  std::size_t allowed = std::min<std::size_t>(size, connection.budget);
  connection.budget -= allowed;
  return allowed;
}

void Proxy::Move(Connection& connection, Side& from, Side& to) {
  std::array<char, 65536> bytes{};
  while (!connection.over && to.waiting.empty()) {
    ssize_t n = ::recv(from.fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (n <= 0) {
      Close(connection, n < 0);
      return;
    }
    auto size = static_cast<std::size_t>(n);
    if (!connection.known && &from == &connection.client) {
      Learn(connection, bytes.data(), size);
    }
    bool planned = connection.budget != 0;
    to.waiting.assign(bytes.data(), Allowed(connection, size));
    Flush(connection, to);
    if (planned && connection.budget == 0 && !connection.over) {
      --cuts_left_;
      Close(connection, cuts_left_ % 2 == 0);
    }
  }
}

void Proxy::Flush(Connection& connection, Side& side) {
  while (!connection.over && !side.waiting.empty()) {
    ssize_t n = ::send(side.fd, side.waiting.data(), side.waiting.size(),
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (n < 0) {
      Close(connection, true);
      return;
    }
    side.waiting.erase(0, static_cast<std::size_t>(n));
  }
}

void Proxy::Close(Connection& connection, bool reset) {
  for (int fd : {connection.client.fd, connection.server.fd}) {
    if (reset) {
      constexpr linger kNoTime{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &kNoTime, sizeof kNoTime);
    }
    if (fd >= 0) {
      ::close(fd);
    }
  }
  connection.client.fd = connection.server.fd = -1;
  connection.over = true;
}

}  // namespace ssi::test
