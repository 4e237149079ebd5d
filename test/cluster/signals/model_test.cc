// Random sequences of what a program can do with signals, and of what others
// send it: the kernel natively is the model, and the same program that is away
// or hops must see exactly the same.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include <catch2/catch.hpp>

#include "cluster/signals/subject.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// Sends what the guest asks for (guests/signal_steps.cc).
class Sender {
 public:
  Sender()
      : requests_(folder_.path() + "/requests"),
        replies_(folder_.path() + "/replies") {
    REQUIRE(::mkfifo(requests_.c_str(), 0600) == 0);
    REQUIRE(::mkfifo(replies_.c_str(), 0600) == 0);
    // Both ways, so that no open here or there depends on the other's.
    in_ = ::open(requests_.c_str(), O_RDWR | O_CLOEXEC);
    out_ = ::open(replies_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~Sender() {
    stop_ = true;
    thread_.join();
    ::close(in_);
    ::close(out_);
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  Sender(Sender&&) = delete;
  Sender& operator=(Sender&&) = delete;

  void Serve(pid_t pid) {
    thread_ = std::thread([this, pid] {
      while (!stop_) {
        pollfd ready{in_, POLLIN, 0};
        if (::poll(&ready, 1, 20) == 1) {
          Read(pid);
        }
      }
    });
  }
  [[nodiscard]] const std::string& requests() const { return requests_; }
  [[nodiscard]] const std::string& replies() const { return replies_; }

 private:
  void Read(pid_t pid) {
    char bytes[512];
    ssize_t n = ::read(in_, bytes, sizeof bytes);
    text_.append(bytes, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    for (auto end = text_.find('\n'); end != std::string::npos;
         end = text_.find('\n')) {
      char kind = 0;
      int signal = 0;
      sigval value{};
      if (std::sscanf(text_.c_str(), "%c %d %d", &kind, &signal,
                      &value.sival_int) == 3) {
        if (value.sival_int % 2 == 0) {
          ::sigqueue(pid, signal, value);
        } else {
          ::kill(pid, signal);
        }
      }
      if (kind == 'e') {
        (void)!::write(out_, ".", 1);
      }
      text_.erase(0, end + 1);
    }
  }

  TemporaryFolder folder_;
  std::string requests_;
  std::string replies_;
  int in_ = -1;
  int out_ = -1;
  std::string text_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Seen {
  std::string status;
  std::string log;
  int hops = 0;
  std::string refused;
};

Seen Run(const Cluster* cluster, Mode mode, int seed, int steps) {
  Sender sender;
  Subject subject(
      cluster, mode,
      {std::string(SSI_GUEST_DIR) + "/signal_steps", std::to_string(seed),
       std::to_string(steps), sender.requests(), sender.replies()});
  sender.Serve(subject.pid());
  Seen seen;
  seen.status = Describe(subject.End(50s));
  seen.log = subject.out() + subject.err();
  seen.hops = subject.hops();
  seen.refused = subject.refused();
  return seen;
}

void CheckSameLog(const Seen& native, const Seen& moved) {
  auto [a, b] = std::mismatch(native.log.begin(), native.log.end(),
                              moved.log.begin(), moved.log.end());
  auto at = static_cast<std::size_t>(a - native.log.begin());
  std::size_t from = at < 300 ? 0 : at - 300;
  INFO("natively: ..." << native.log.substr(from, 600) << "\n---- moved: ..."
                       << moved.log.substr(from, 600));
  CHECK(moved.status == native.status);
  CHECK((a == native.log.end() && b == moved.log.end()));
  CHECK(moved.refused.empty());
}

// On a machine that is busy with other things it may end before it has hopped
// enough: then once more, for longer.
void CheckSeed(const Cluster& cluster, Mode mode, int seed, int steps) {
  constexpr int kLeastHops = 2;
  constexpr int kMostSteps = 4;
  for (int times = 1; times <= kMostSteps; times *= 2) {
    INFO("seed " << seed << ", " << NameOfMode(mode) << ", " << times
                 << " times as long");
    Seen native = Run(nullptr, Mode::kNative, seed, times * steps);
    REQUIRE(native.status == "exit 0");
    Seen moved = Run(&cluster, mode, seed, times * steps);
    CheckSameLog(native, moved);
    if (mode == Mode::kAway || moved.hops >= kLeastHops) {
      return;
    }
  }
  FAIL_CHECK("seed " << seed << ": fewer than " << kLeastHops << " hops");
}

void CheckSeeds(int first, int last, int steps) {
  Cluster cluster;
  for (int seed = first; seed <= last; ++seed) {
    CheckSeed(cluster, Mode::kAway, seed, steps);
    CheckSeed(cluster, Mode::kHopping, seed, 4 * steps);
  }
}

TEST_CASE("random signals, a few seeds", "[sample]") {
  CheckSeeds(1, 4, 600);
}
TEST_CASE("random signals, seeds 100 to 109") {
  CheckSeeds(100, 109, 600);
}
TEST_CASE("random signals, seeds 110 to 119") {
  CheckSeeds(110, 119, 600);
}
// To replay a failure: SSI_SIGNAL_SEED=2 SSI_SIGNAL_STEPS=2400, mode hopping.
TEST_CASE("random signals, one seed of the environment", "[.]") {
  const char* seed = ::getenv("SSI_SIGNAL_SEED");
  const char* steps = ::getenv("SSI_SIGNAL_STEPS");
  REQUIRE((seed != nullptr && steps != nullptr));
  Cluster cluster;
  CheckSeed(cluster, Mode::kHopping, std::atoi(seed), std::atoi(steps));
}

TEST_CASE("random signals, long runs") {
  CheckSeeds(200, 201, 5000);
}

}  // namespace
}  // namespace ssi::test
