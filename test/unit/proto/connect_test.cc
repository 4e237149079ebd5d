#include "proto/connect.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <spdlog/spdlog.h>

#include "proto/address.h"
#include "proto/listen.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

TEST_CASE("addresses are read", "[proto]") {
  auto v4 = ParseHostPort("192.0.2.1:7000");
  REQUIRE(v4);
  CHECK(v4->host == "192.0.2.1");
  CHECK(v4->port == 7000);
  CHECK(ParseHostPort("[2001:db8::1]:7")->host == "2001:db8::1");
  CHECK(ParseHostPort(":7")->host.empty());
  CHECK(ParseHostPort("*:0")->host.empty());
  CHECK(ParseHostPort("node7:65535")->port == 65535);
  for (const char* bad : {"", "node", "node:", "node:x", "node:65536",
                          "node:-1", "node: 1", "2001:db8::1:7", "[::1:7"}) {
    INFO(bad);
    auto parsed = ParseHostPort(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::kInvalid);
  }
  CHECK_FALSE(ResolveAddress(":7", AddressUse::kConnect));
  CHECK_FALSE(ResolveAddress("127.0.0.1:0", AddressUse::kConnect));
  CHECK(ResolveAddress("127.0.0.1:0", AddressUse::kListen));
  CHECK(FormatAddress(ResolveAddress("[::1]:9", AddressUse::kConnect)->at(0)) ==
        "[::1]:9");
}

int OptionOf(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(fd, level, option, &value, &size) == 0);
  return value;
}

TEST_CASE("one side listens, the other connects", "[proto]") {
  Loop loop;
  std::vector<UniqueFd> accepted;
  auto listener = Listener::Make(loop, "127.0.0.1:0", [&](UniqueFd fd) {
    accepted.push_back(std::move(fd));
  });
  REQUIRE(listener);
  CHECK_THAT((*listener)->address(),
             Catch::StartsWith("127.0.0.1:") && !Catch::EndsWith(":0"));
  std::vector<std::unique_ptr<Connector>> connectors;
  std::vector<UniqueFd> connected;
  for (int i = 0; i < 3; ++i) {
    connectors.push_back(std::make_unique<Connector>(
        loop, (*listener)->address(), [&](Result<UniqueFd> fd) {
          REQUIRE(fd);
          connected.push_back(std::move(*fd));
        }));
  }
  REQUIRE(RunUntil(
      loop, [&] { return accepted.size() == 3 && connected.size() == 3; }));
  CHECK(PeerAddress(connected[0].get()) == (*listener)->address());
  CHECK(PeerAddress(accepted[0].get()).value() ==
        LocalAddress(connected[0].get()).value());
  for (const auto* fd : {&connected[0], &accepted[0]}) {
    CHECK((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK(::fcntl(fd->get(), F_GETFD) == FD_CLOEXEC);
    CHECK(OptionOf(fd->get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(OptionOf(fd->get(), SOL_SOCKET, SO_KEEPALIVE) == 1);
  }
}

TEST_CASE("names are resolved, and unknown ones told", "[proto]") {
  Loop loop;
  auto listener = Listener::Make(loop, "127.0.0.1:0", [](UniqueFd) {});
  REQUIRE(listener);
  auto port = (*listener)->address().substr(10);
  std::optional<Result<UniqueFd>> result;
  // May try ::1 first, where nobody listens.
  Connector by_name(loop, "localhost:" + port,
                    [&](Result<UniqueFd> fd) { result = std::move(fd); });
  REQUIRE(RunUntil(loop, [&] { return result.has_value(); }));
  CHECK(*result);
  result.reset();
  Connector bad(loop, "no node here",
                [&](Result<UniqueFd> fd) { result = std::move(fd); });
  REQUIRE(RunUntil(loop, [&] { return result.has_value(); }));
  CHECK(result->error().code == ErrorCode::kInvalid);
}

TEST_CASE("a refused connection is told", "[proto]") {
  Loop loop;
  std::string address;
  {
    auto listener = Listener::Make(loop, "127.0.0.1:0", [](UniqueFd) {});
    REQUIRE(listener);
    address = (*listener)->address();
  }
  std::optional<Result<UniqueFd>> result;
  std::unique_ptr<Connector> connector;
  connector =
      std::make_unique<Connector>(loop, address, [&](Result<UniqueFd> fd) {
        result = std::move(fd);
        connector.reset();
      });
  REQUIRE(RunUntil(loop, [&] { return result.has_value(); }));
  REQUIRE_FALSE(*result);
  CHECK(result->error().code == ErrorCode::kGone);
  CHECK_THAT(result->error().message,
             Catch::Contains(address) && Catch::Contains("refused"));
}

TEST_CASE("a connection that nobody answers has a time limit", "[proto]") {
  // A listener whose queue is full: Linux drops further SYNs.
  UniqueFd full(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(full.get(), reinterpret_cast<sockaddr*>(&where),
                 sizeof where) == 0);
  REQUIRE(::listen(full.get(), 0) == 0);
  auto address = LocalAddress(full.get());
  REQUIRE(address);
  Loop loop;
  std::vector<std::unique_ptr<Connector>> connectors;
  int failed = 0;
  std::vector<UniqueFd> connected;
  for (int i = 0; i < 4; ++i) {
    connectors.push_back(std::make_unique<Connector>(
        loop, *address,
        [&](Result<UniqueFd> fd) {
          if (fd) {
            connected.push_back(std::move(*fd));
            return;
          }
          ++failed;
          CHECK(fd.error().code == ErrorCode::kGone);
          CHECK_THAT(fd.error().message, Catch::Contains("0.05 s"));
        },
        50ms));
  }
  REQUIRE(RunUntil(loop, [&] { return failed >= 1; }));
}

TEST_CASE("a connector may be dropped", "[proto]") {
  Loop loop;
  auto listener = Listener::Make(loop, "127.0.0.1:0", [](UniqueFd) {});
  REQUIRE(listener);
  auto connector = std::make_unique<Connector>(
      loop, (*listener)->address(), [](Result<UniqueFd>) { FAIL("called"); });
  loop.poll_one();
  connector.reset();
  loop.poll();
}

TEST_CASE("a port in use is told", "[proto]") {
  Loop loop;
  auto first = Listener::Make(loop, "127.0.0.1:0", [](UniqueFd) {});
  REQUIRE(first);
  auto second = Listener::Make(loop, (*first)->address(), [](UniqueFd) {});
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Catch::Contains((*first)->address()));
}

TEST_CASE("a listener may be dropped by its own callback", "[proto]") {
  Loop loop;
  std::unique_ptr<Listener> listener;
  int accepted = 0;
  auto made = Listener::Make(loop, "127.0.0.1:0", [&](const UniqueFd&) {
    ++accepted;
    listener.reset();
  });
  REQUIRE(made);
  listener = std::move(*made);
  std::string address = listener->address();
  int connected = 0;
  auto count = [&](const Result<UniqueFd>&) {
    ++connected;
  };
  Connector first(loop, address, count);
  Connector second(loop, address, count);
  REQUIRE(RunUntil(loop, [&] { return connected == 2 && accepted == 1; }));
  loop.restart();
  loop.poll();
  CHECK(accepted == 1);
}

// As long as it lives, this process has no descriptor from `limit` on.
class FewDescriptors {
 public:
  FewDescriptors(Loop& loop, int limit) {
    // The sanitizer needs a pipe to look at types that it meets first in the
    // log, or where a listener waits for a while.
    spdlog::set_level(spdlog::level::off);
    spdlog::warn("there are descriptors still");
    Timer(loop).Start(Nanos(1), [] {});
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &old_) == 0);
    rlimit few = old_;
    few.rlim_cur = static_cast<rlim_t>(limit);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  FewDescriptors(FewDescriptors&&) = delete;
  FewDescriptors& operator=(FewDescriptors&&) = delete;
  ~FewDescriptors() {
    ::setrlimit(RLIMIT_NOFILE, &old_);
    spdlog::set_level(level_);
  }

 private:
  rlimit old_{};
  spdlog::level::level_enum level_ = spdlog::get_level();
};

int LowestFree() {
  return UniqueFd(::fcntl(0, F_DUPFD_CLOEXEC, 0)).get();
}

TEST_CASE("a listener has one descriptor in reserve", "[proto]") {
  Loop loop;
  std::vector<UniqueFd> accepted;
  auto listener = Listener::Make(loop, "127.0.0.1:0", [&](UniqueFd fd) {
    accepted.push_back(std::move(fd));
  });
  REQUIRE(listener);
  auto addresses = ResolveAddress((*listener)->address(), AddressUse::kConnect);
  REQUIRE(addresses);
  std::array<UniqueFd, 2> clients;
  for (auto& client : clients) {
    client = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto& address = addresses->front();
    REQUIRE(::connect(client.get(), address.get(), address.size) == 0);
  }
  bool one = false;
  bool another = false;
  {
    FewDescriptors no_more(loop, LowestFree());
    one = RunUntil(loop, [&] { return accepted.size() == 1; });
    // Whoever got it passes it on, and has room again for the next one.
    accepted.clear();
    another = RunUntil(loop, [&] { return accepted.size() == 1; });
  }
  CHECK(one);
  CHECK(another);
}

TEST_CASE("a listener outlives a lack of descriptors", "[proto]") {
  Loop loop;
  std::vector<UniqueFd> accepted;
  auto listener = Listener::Make(loop, "127.0.0.1:0", [&](UniqueFd fd) {
    accepted.push_back(std::move(fd));
  });
  REQUIRE(listener);
  std::optional<Result<UniqueFd>> connected;
  Connector connector(loop, (*listener)->address(),
                      [&](Result<UniqueFd> fd) { connected = std::move(fd); });
  loop.poll_one();  // the socket is there
  bool there = false;
  {
    FewDescriptors none(loop, 0);
    there = RunUntil(loop, [&] { return connected.has_value(); });
    loop.poll();
  }
  CHECK(there);
  CHECK(accepted.empty());
  CHECK(RunUntil(loop, [&] { return accepted.size() == 1; }));
}

}  // namespace
}  // namespace ssi::proto
