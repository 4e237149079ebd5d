// When timers on CPU time go off, on a clock of the test's own.
#include "deputy/cpu_timer_dues.h"

#include <catch2/catch.hpp>

namespace ssi {
namespace {

using namespace std::chrono_literals;

struct World {
  explicit World(std::vector<CpuTimer> timers)
      : dues(std::move(timers), Used()) {}

  // Every clock shows the same, but for one of a thread: half of it.
  [[nodiscard]] CpuTimerDues::Used Used() {
    return [this](const CpuTimer& timer) {
      return Raw(timer.thread) == 0 ? clock : clock / 2;
    };
  }
  // What went off by then: number of the timer and its overrun.
  using Sent = std::vector<std::pair<int, int>>;
  Sent At(Nanos now) {
    clock = now;
    Sent sent;
    dues.Fire(Used(), [&](const CpuTimer& timer, int overrun) {
      if (waits) {
        return false;
      }
      sent.emplace_back(timer.line.id, overrun);
      return true;
    });
    return sent;
  }
  std::optional<Nanos> Next(std::size_t threads = 1) {
    return dues.Next(Used(), [threads](const CpuTimer&) { return threads; });
  }

  Nanos clock = 5s;  // they start somewhere
  bool waits = false;
  CpuTimerDues dues;
};

CpuTimer Timer(int id, Nanos left, Nanos interval = 0ns) {
  CpuTimer timer;
  timer.line.id = id;
  timer.left = left;
  timer.interval = interval;
  return timer;
}

using Sent = World::Sent;

TEST_CASE("a timer goes off once, when its time is used", "[timers]") {
  World world({Timer(1, 10ms)});
  CHECK(world.Next() == 10ms);
  CHECK(world.Next(4) == 2500us);
  CHECK(world.At(5s + 9ms).empty());
  CHECK(world.dues.Left(world.Used())[0].left == 1ms);
  CHECK(world.At(5s + 10ms) == Sent{{1, 0}});
  CHECK(world.Next() == std::nullopt);
  CHECK(world.dues.Left(world.Used()).empty());
  CHECK(world.At(9s).empty());
}

TEST_CASE("a timer with an interval keeps its step, whenever one looks",
          "[timers]") {
  World world({Timer(2, 3ms, 10ms)});
  CHECK(world.At(5s + 4ms) == Sent{{2, 0}});
  CHECK(world.Next() == 9ms);
  CHECK(world.At(5s + 13ms) == Sent{{2, 0}});
  CHECK(world.At(5s + 13ms).empty());
  // 23, 33 and 43 ms: one signal, and two more times.
  CHECK(world.At(5s + 44ms) == Sent{{2, 2}});
  auto left = world.dues.Left(world.Used());
  REQUIRE(left.size() == 1);
  CHECK(left[0].left == 9ms);
  CHECK(left[0].interval == 10ms);
}

TEST_CASE("while its signal waits a timer counts", "[timers]") {
  World world({Timer(3, 10ms, 10ms)});
  world.waits = true;
  CHECK(world.At(5s + 10ms).empty());
  CHECK(world.At(5s + 31ms).empty());
  world.waits = false;
  // 10, 20 and 30 ms were missed.
  CHECK(world.At(5s + 40ms) == Sent{{3, 3}});
  CHECK(world.At(5s + 50ms) == Sent{{3, 0}});
}

TEST_CASE("one that goes off once waits for its signal to be sent",
          "[timers]") {
  World world({Timer(7, 10ms)});
  world.waits = true;
  CHECK(world.At(5s + 20ms).empty());
  world.waits = false;
  CHECK(world.At(5s + 20ms) == Sent{{7, 0}});
  CHECK(world.At(6s).empty());
}

TEST_CASE("each goes by its own clock", "[timers]") {
  CpuTimer of_thread = Timer(4, 10ms, 10ms);
  of_thread.thread = HostPid{17};
  World world({of_thread, Timer(5, 10ms, 10ms)});
  CHECK(world.At(5s + 10ms) == Sent{{5, 0}});
  CHECK(world.At(5s + 20ms) == Sent{{4, 0}, {5, 0}});
}

TEST_CASE("what is overdue still has a moment left", "[timers]") {
  World world({Timer(6, 10ms)});
  world.clock = 6s;
  CHECK(world.dues.Left(world.Used())[0].left == 1ns);
}

}  // namespace
}  // namespace ssi
