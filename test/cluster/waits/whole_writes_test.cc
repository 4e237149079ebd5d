// A write into a full pipe is not cut short by moves, nor by those that come to
// nothing, and nothing is written twice.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "cluster/errors/errors_support.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// Reads a fifo slowly until its writers are gone.
class SlowReader {
 public:
  explicit SlowReader(const std::string& path) {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    fd_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(fd_.get() >= 0);
    thread_ = std::thread([this] { Read(); });
  }
  ~SlowReader() {
    stop_ = true;
    thread_.join();
  }
  SlowReader(const SlowReader&) = delete;
  SlowReader& operator=(const SlowReader&) = delete;
  SlowReader(SlowReader&&) = delete;
  SlowReader& operator=(SlowReader&&) = delete;

  // Once the writer has ended. Differs: the first byte that is not as
  // whole_writes computes it, or -1.
  struct Result {
    std::size_t size = 0;
    long differs = -1;
  };
  [[nodiscard]] bool Ended() const { return ended_; }
  [[nodiscard]] Result result() const { return result_; }

 private:
  void Read() {
    std::array<char, 20'000> piece{};
    bool begun = false;
    while (!stop_) {
      pollfd wait{fd_.get(), POLLIN, 0};
      ::poll(&wait, 1, 100);
      auto got = ::read(fd_.get(), piece.data(), piece.size());
      if (got == 0 && begun) {
        ended_ = true;
        return;
      }
      for (ssize_t i = 0; i < got; ++i, ++result_.size) {
        begun = true;
        std::size_t at = result_.size % kSize;
        if (piece.at(static_cast<std::size_t>(i)) !=
                static_cast<char>(at * 7 + at / 251) &&
            result_.differs < 0) {
          result_.differs = static_cast<long>(result_.size);
        }
      }
      std::this_thread::sleep_for(10ms);  // slow, on purpose
    }
  }

 public:
  static constexpr std::size_t kSize = 1'500'000;

 private:
  UniqueFd fd_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  Result result_;
  std::thread thread_;
};

void CheckWhole(const std::string& how, const std::vector<std::string>& route,
                bool moves) {
  constexpr std::size_t kRounds = 8;
  constexpr std::size_t kLeastMoves = 10;
  Cluster cluster(3);
  std::string pipe = cluster.folder() + "/pipe";
  SlowReader reader(pipe);
  Spawn spawn;
  spawn.out = pipe;
  spawn.err = cluster.folder() + "/err";
  Job job(cluster, {},
          {std::string(SSI_GUEST_DIR) + "/whole_writes", how,
           std::to_string(kRounds)},
          spawn);
  REQUIRE(job.CommandPid() > 0);
  std::size_t asked = 0;
  while (job.CommandRuns() && asked < 100) {
    const auto& node = route[asked % route.size()];
    bool moved = job.MoveTo(node);
    const std::string& why = job.last_refusal();
    if (!moved && (why.find("ended") != std::string::npos ||
                   why.find("not of a job") != std::string::npos)) {
      break;
    }
    INFO(how << " to " << node << ": " << why);
    CHECK((moved == moves || !job.CommandRuns()));
    if (moved && node != "n1" && job.CommandRuns()) {
      CHECK((cluster.Bodies(node).size() == 1 || !job.CommandRuns()));
    }
    ++asked;
    (void)Eventually([&] { return !job.CommandRuns(); }, 150ms);
  }
  INFO("stderr: " << ReadAllOf(spawn.err));
  CHECK(Describe(job.front().Wait(30s)) == "exit 0");
  CHECK(asked >= kLeastMoves);
  REQUIRE(Eventually([&] { return reader.Ended(); }, 10s));
  CHECK(reader.result().size == kRounds * SlowReader::kSize);
  CHECK(reader.result().differs == -1);
}

TEST_CASE("a write of a moved process is not cut short", "[sample]") {
  CheckWhole("write", {"n2", "n3", "n2", "n1"}, true);
}

TEST_CASE("a writev of a moved process is not cut short", "[sample]") {
  CheckWhole("writev", {"n2", "n3", "n1"}, true);
}

TEST_CASE("a write is not cut short by departures that are given up",
          "[sample]") {
  Environment fault("SSI_LOCAL_FAULT", "guest.rebuilt=cut");
  CheckWhole("write", {"n2"}, false);
}

}  // namespace
}  // namespace ssi::test
