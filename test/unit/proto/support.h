// What the tests of proto share: connected sockets, contexts, a loop to wait
// in, and channels that note what they are told.
#ifndef SSI_TEST_UNIT_PROTO_SUPPORT_H_
#define SSI_TEST_UNIT_PROTO_SUPPORT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/unique_fd.h"
#include "proto/channel.h"
#include "proto/tls.h"

namespace ssi::proto::test {

using namespace std::chrono_literals;

using Bytes = std::vector<std::byte>;
using FdPair = std::pair<UniqueFd, UniqueFd>;

// Two ends of a connection, blocking.
FdPair UnixPair();
FdPair TcpPair();

// `size` bytes that depend on `seed` and on their place.
Bytes Pattern(std::size_t size, unsigned seed = 1);
std::span<const std::byte> AsBytes(const std::string& text);
std::string AsText(std::span<const std::byte> bytes);

// The same key for the same number.
Key TestKey(int number);
TlsContext TestContext(int key_number = 1,
                       const std::string& identity = "ssi-test");

// Runs the loop until `done`; false after `limit`.
bool RunUntil(Loop& loop, const std::function<bool()>& done,
              std::chrono::nanoseconds limit = 20s);

struct Frame {
  FrameHeader header;
  Bytes payload;
};

// A channel with a journal.
struct Party {
  std::optional<Status> opened;
  std::vector<Frame> frames;
  std::vector<Error> closed;
  int received = 0;
  std::unique_ptr<Channel> channel;

  Channel::Callbacks Journal();
  [[nodiscard]] bool open() const { return opened && *opened; }
};

struct Parties {
  Loop loop;
  Party client;
  Party server;
  ChannelLimits client_limits;
  ChannelLimits server_limits;

  // Both ends opened, over `fds`. Fails the test otherwise.
  void Open(FdPair fds);
  void Start(FdPair fds, const TlsContext& client_context,
             const TlsContext& server_context);
};

}  // namespace ssi::proto::test

#endif  // SSI_TEST_UNIT_PROTO_SUPPORT_H_
