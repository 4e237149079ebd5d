// Hidden: proto_test "[.bench]". What a channel and a bulk stream cost over
// what they are made of, between two processes over loopback.
#include <sched.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <catch2/catch.hpp>
#include <openssl/ssl.h>

#include "base/check.h"
#include "proto/bulk_stream.h"
#include "proto/channel.h"
#include "proto/socket.h"
#include "proto/tls_session.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests
using Clock = std::chrono::steady_clock;
using Times = std::vector<double>;

constexpr std::size_t kPing = 64;  // bytes of a frame, with its header
constexpr int kRounds = 20000;
constexpr int kWarmUp = 1000;
constexpr std::size_t kBulkTotal = std::size_t{1} << 30;
constexpr std::size_t kBulkPiece = std::size_t{1} << 20;

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  REQUIRE(::sched_setaffinity(0, sizeof set, &set) == 0);
}

double Median(Times times) {
  auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

// Runs `echo` in a child on `child_cpu` and `ask` here on CPU 0.
template <typename Echo, typename Ask>
auto WithPeer(int child_cpu, Echo echo, Ask ask) {
  auto fds = TcpPair();
  cpu_set_t all;
  REQUIRE(::sched_getaffinity(0, sizeof all, &all) == 0);
  std::fflush(stdout);  // or the child prints it again
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    fds.first.Reset();
    PinTo(child_cpu);
    echo(std::move(fds.second));
    ::_exit(0);
  }
  fds.second.Reset();
  PinTo(0);
  auto result = ask(std::move(fds.first));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  REQUIRE(::sched_setaffinity(0, sizeof all, &all) == 0);
  return result;
}

// Calls `once` for each round and returns what each took.
template <typename Once>
Times TimeRounds(Once once) {
  Times times;
  times.reserve(kRounds);
  for (int round = -kWarmUp; round < kRounds; ++round) {
    auto start = Clock::now();
    once();
    if (round >= 0) {
      times.push_back(
          std::chrono::duration<double, std::micro>(Clock::now() - start)
              .count());
    }
  }
  return times;
}

// ---- a socket alone, with epoll ---------------------------------------------

class Epoll {
 public:
  explicit Epoll(int fd) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN;
    REQUIRE(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  }
  void Wait() {
    epoll_event event{};
    while (::epoll_wait(epoll_.get(), &event, 1, -1) < 0 && errno == EINTR) {
    }
  }

 private:
  UniqueFd epoll_;
};

struct BareTcp {
  explicit BareTcp(UniqueFd socket) : fd(std::move(socket)), epoll(fd.get()) {
    REQUIRE(PrepareSocket(fd.get()));
  }
  // False at the end.
  bool Get() {
    epoll.Wait();
    return ReceiveNow(fd.get(), buffer.data(), buffer.size()) > 0;
  }
  void Put() { SSI_CHECK(SendNow(fd.get(), buffer.data(), kPing) == kPing); }

  UniqueFd fd;
  Epoll epoll;
  std::array<std::byte, 4096> buffer{};
};

// ---- OpenSSL on the socket, with epoll --------------------------------------

SSL_SESSION* BarePsk(SSL* ssl) {
  const unsigned char id[] = {0x13, 0x01};
  const unsigned char key[32] = {1};
  SSL_SESSION* session = SSL_SESSION_new();
  SSL_SESSION_set1_master_key(session, key, sizeof key);
  SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, id));
  SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
  return session;
}

struct BareTls {
  BareTls(UniqueFd socket, TlsRole role)
      : fd(std::move(socket)), epoll(fd.get()) {
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(context.get(), 0);
    SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_psk_use_session_callback(
        context.get(), [](SSL* self, const EVP_MD*, const unsigned char** id,
                          std::size_t* size, SSL_SESSION** session) {
          *id = reinterpret_cast<const unsigned char*>("bare");
          *size = 4;
          *session = BarePsk(self);
          return 1;
        });
    SSL_CTX_set_psk_find_session_callback(
        context.get(), [](SSL* self, const unsigned char*, std::size_t,
                          SSL_SESSION** session) {
          *session = BarePsk(self);
          return 1;
        });
    ssl.reset(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), fd.get());
    SSL_set_read_ahead(ssl.get(), 1);
    REQUIRE((role == TlsRole::kClient ? SSL_connect(ssl.get())
                                      : SSL_accept(ssl.get())) == 1);
    REQUIRE(PrepareSocket(fd.get()));
  }
  bool Get() {
    // What was read ahead does not make the socket readable.
    if (SSL_has_pending(ssl.get()) == 0) {
      epoll.Wait();
    }
    return SSL_read(ssl.get(), buffer.data(), 4096) > 0;
  }
  void Put() { SSI_CHECK(SSL_write(ssl.get(), buffer.data(), kPing) == kPing); }

  UniqueFd fd;
  Epoll epoll;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{
      SSL_CTX_new(TLS_method()), &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
  std::array<std::byte, 4096> buffer{};
};

template <typename Bare, typename... Role>
void EchoBare(UniqueFd fd, Role... role) {
  Bare bare(std::move(fd), role...);
  while (bare.Get()) {
    bare.Put();
  }
}

template <typename Bare, typename... Role>
Times AskBare(UniqueFd fd, Role... role) {
  Bare bare(std::move(fd), role...);
  return TimeRounds([&] {
    bare.Put();
    SSI_CHECK(bare.Get());
  });
}

// ---- a channel --------------------------------------------------------------

constexpr FrameType kTest{100};

// With `poll` it asks the socket before it goes to sleep.
void EchoChannel(UniqueFd fd, Nanos poll) {
  Loop loop(1);
  bool open = false;
  bool closed = false;
  std::unique_ptr<Channel> channel;
  Channel::Callbacks callbacks;
  callbacks.on_open = [&](Status status) {
    open = status.has_value();
  };
  callbacks.on_frame = [&](const FrameHeader& header,
                           std::span<const std::byte> payload) {
    channel->Send(header.type, 0, header.id, payload);
  };
  callbacks.on_closed = [&](Error) {
    closed = true;
  };
  channel =
      Channel::Server(loop, std::move(fd), TestContext(), std::move(callbacks));
  while (!closed) {
    if (!open || poll == 0ns || !channel->PollFor(poll)) {
      loop.run_one();
    }
  }
}

Times AskChannel(UniqueFd fd, Nanos poll) {
  Loop loop(1);
  bool open = false;
  bool got = false;
  Channel::Callbacks callbacks;
  callbacks.on_open = [&](Status status) {
    open = status.has_value();
  };
  callbacks.on_frame = [&](const FrameHeader&, std::span<const std::byte>) {
    got = true;
  };
  auto channel =
      Channel::Client(loop, std::move(fd), TestContext(), std::move(callbacks));
  REQUIRE(RunUntil(loop, [&] { return open; }));
  std::array<std::byte, kPing - kFrameHeaderSize> payload{};
  return TimeRounds([&] {
    got = false;
    channel->Send(kTest, 0, 1, payload);
    while (!got) {
      if (poll == 0ns || !channel->PollFor(poll)) {
        loop.run_one();
      }
    }
  });
}

TEST_CASE("ping-pong of 64 bytes", "[.bench]") {
  constexpr int kRepeats = 5;
  for (int cpu : {0, 1}) {
    std::printf("both ends on %s:\n", cpu == 0 ? "one CPU" : "two CPUs");
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      Times tcp = WithPeer(
          cpu, [](UniqueFd fd) { EchoBare<BareTcp>(std::move(fd)); },
          [](UniqueFd fd) { return AskBare<BareTcp>(std::move(fd)); });
      Times tls = WithPeer(
          cpu,
          [](UniqueFd fd) {
            EchoBare<BareTls>(std::move(fd), TlsRole::kServer);
          },
          [](UniqueFd fd) {
            return AskBare<BareTls>(std::move(fd), TlsRole::kClient);
          });
      auto channel = [cpu](Nanos poll) {
        return Median(WithPeer(
            cpu, [poll](UniqueFd fd) { EchoChannel(std::move(fd), poll); },
            [poll](UniqueFd fd) { return AskChannel(std::move(fd), poll); }));
      };
      double sleeping = channel(0ns);
      std::printf("  TCP %.2f us, TLS %.2f us, channel %.2f us",
                  Median(std::move(tcp)), Median(std::move(tls)), sleeping);
      if (cpu != 0) {  // on one CPU nothing arrives while one polls
        std::printf(", polling %.2f us", channel(50us));
      }
      std::printf("\n");
    }
  }
}

// ---- bulk -------------------------------------------------------------------

double GigabytesPerSecond(Clock::time_point start) {
  return static_cast<double>(kBulkTotal) / 1e9 /
         std::chrono::duration<double>(Clock::now() - start).count();
}

TEST_CASE("bulk throughput", "[.bench]") {
  for (int cpu : {0, 1}) {
    std::printf("both ends on %s:\n", cpu == 0 ? "one CPU" : "two CPUs");
    for (int repeat = 0; repeat < 5; ++repeat) {
      Bytes piece = Pattern(kBulkPiece);
      double tcp = WithPeer(
          cpu,
          [&](UniqueFd fd) {
            for (std::size_t got = 0; got < kBulkTotal; got += kBulkPiece) {
              SSI_CHECK(ReadAll(fd.get(), piece.data(), piece.size()));
            }
            SSI_CHECK(WriteAll(fd.get(), piece.data(), 1));
          },
          [&](UniqueFd fd) {
            auto start = Clock::now();
            for (std::size_t sent = 0; sent < kBulkTotal; sent += kBulkPiece) {
              SSI_CHECK(WriteAll(fd.get(), piece.data(), piece.size()));
            }
            SSI_CHECK(ReadAll(fd.get(), piece.data(), 1));
            return GigabytesPerSecond(start);
          });
      double bulk = WithPeer(
          cpu,
          [&](UniqueFd fd) {
            auto stream = BulkStream::Server(std::move(fd), TestContext());
            SSI_CHECK((*stream)->Handshake());
            for (std::size_t got = 0; got < kBulkTotal; got += kBulkPiece) {
              SSI_CHECK((*stream)->Read(piece));
            }
            SSI_CHECK((*stream)->Write(std::span(piece).first(1)));
          },
          [&](UniqueFd fd) {
            auto stream = BulkStream::Client(std::move(fd), TestContext());
            SSI_CHECK((*stream)->Handshake());
            auto start = Clock::now();
            for (std::size_t sent = 0; sent < kBulkTotal; sent += kBulkPiece) {
              SSI_CHECK((*stream)->Write(piece));
            }
            SSI_CHECK((*stream)->Read(std::span(piece).first(1)));
            return GigabytesPerSecond(start);
          });
      std::printf("  TCP %.2f GB/s, bulk stream %.2f GB/s\n", tcp, bulk);
    }
  }
}

TEST_CASE("opening", "[.bench]") {
  for (int repeat = 0; repeat < 3; ++repeat) {
    auto start = Clock::now();
    auto context = TlsContext::Make(TestKey(1), "x");
    auto made = Clock::now();
    Parties both;
    both.Open(TcpPair());
    auto opened = Clock::now();
    std::printf(
        "context %.0f us, both ends of a handshake %.0f us\n",
        std::chrono::duration<double, std::micro>(made - start).count(),
        std::chrono::duration<double, std::micro>(opened - made).count());
  }
}

}  // namespace
}  // namespace ssi::proto
