// Real-time signals keep their order when one of them was taken and is put
// back: the rule for lists, and the queues of a real process.
#include "process/signal_order.h"

#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <tuple>
#include <utility>

#include <catch2/catch.hpp>

#include "process/injector.h"
#include "process/vmas.h"
#include "support/traced_child.h"

namespace ssi {
namespace {

constexpr int kSignal = 40;

siginfo_t Info(int value) {
  siginfo_t info{};
  info.si_signo = kSignal;
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = value;
  return info;
}

SignalList List(std::initializer_list<int> values) {
  SignalList list;
  for (int value : values) {
    list.push_back(Info(value));
  }
  return list;
}

std::vector<int> Values(const SignalList& list) {
  std::vector<int> values;
  for (const auto& info : list) {
    values.push_back(info.si_value.sival_int);
  }
  return values;
}

using Ints = std::vector<int>;

TEST_CASE("signal order: what was put back goes before the others") {
  auto order = [](auto older, auto queued) {
    return Values(WithOlderFirst(List(older), List(queued)));
  };
  using L = std::initializer_list<int>;
  CHECK(order(L{1}, L{2, 3, 1}) == Ints{1, 2, 3});
  CHECK(order(L{1}, L{2, 3, 1, 4}) == Ints{1, 2, 3, 4});
  CHECK(order(L{1, 2}, L{3, 4, 1, 2}) == Ints{1, 2, 3, 4});
  CHECK(order(L{1}, L{1}) == Ints{1});
  CHECK(order(L{}, L{2, 3}) == Ints{2, 3});
  CHECK(order(L{9}, L{2, 3}) == Ints{2, 3});
  // Equal ones: the last was put back, and the first stays behind `2`.
  CHECK(order(L{1}, L{2, 1, 3, 1}) == Ints{1, 2, 1, 3});
  CHECK(order(L{1, 1}, L{2, 1, 1}) == Ints{1, 1, 2});
}

TEST_CASE("signal order: what came later goes behind") {
  auto order = [](auto wanted, auto queued) {
    return Values(InOrderOf(List(wanted), List(queued)));
  };
  using L = std::initializer_list<int>;
  CHECK(order(L{1, 2, 3}, L{3, 4, 1, 2}) == Ints{1, 2, 3, 4});
  CHECK(order(L{1, 2, 3}, L{3, 1}) == Ints{1, 3});
  CHECK(order(L{1, 2, 1}, L{5, 1, 1, 2, 1}) == Ints{1, 2, 1, 5, 1});
  CHECK(SameSignals(List({1, 2}), List({1, 2})));
  CHECK_FALSE(SameSignals(List({1, 2}), List({2, 1})));
  CHECK_FALSE(SameSignals(List({1, 2}), List({1})));
}

// Of the child too, which is a copy.
alignas(16) std::array<std::byte, 4096> space{};

// With all signals blocked, or none.
sigset_t MaskOf(bool blocked) {
  sigset_t mask;
  blocked ? sigfillset(&mask) : sigemptyset(&mask);
  return mask;
}

class Waiting : public test::TracedChild {
 public:
  explicit Waiting(bool blocked) : TracedChild(MaskOf(blocked)) {}
  void Send(std::initializer_list<int> values, bool to_thread = false) const {
    for (int value : values) {
      siginfo_t info = Info(value);
      long sent = to_thread ? ::syscall(SYS_rt_tgsigqueueinfo, Raw(pid()),
                                        Raw(pid()), kSignal, &info)
                            : ::syscall(SYS_rt_sigqueueinfo, Raw(pid()),
                                        kSignal, &info);
      REQUIRE(sent == 0);
    }
  }
  void PutFirst(Injector& injector, const QueuedSignals& older) const {
    RemoteAddr at{reinterpret_cast<std::uint64_t>(space.data())};
    InjectingRunner runner(injector, pid(), at, space.size());
    REQUIRE(PutInFront(runner, {pid(), pid()}, kSignal, older));
  }
  [[nodiscard]] std::pair<Ints, Ints> Queued() const {
    auto queued = PeekQueued(pid(), kSignal);
    REQUIRE(queued);
    return {Values(queued->of_thread), Values(queued->of_process)};
  }
};

TEST_CASE("signal order: the queues of a process are put in order") {
  Waiting child(true);
  child.Send({3, 4, 1, 2});
  child.Send({12, 13, 11}, true);
  auto injector = child.Inject();
  SECTION("both") {
    child.PutFirst(injector, {List({11}), List({1, 2})});
    CHECK(child.Queued() == std::pair(Ints{11, 12, 13}, Ints{1, 2, 3, 4}));
  }
  SECTION("the thread's") {
    child.PutFirst(injector, {List({11}), {}});
    CHECK(child.Queued() == std::pair(Ints{11, 12, 13}, Ints{3, 4, 1, 2}));
  }
  SECTION("that of the process, behind the thread's") {
    child.PutFirst(injector, {{}, List({1, 2})});
    CHECK(child.Queued() == std::pair(Ints{12, 13, 11}, Ints{1, 2, 3, 4}));
  }
  SECTION("no room to queue them again") {
    rlimit none{0, 0};
    REQUIRE(::prlimit(Raw(child.pid()), RLIMIT_SIGPENDING, &none, nullptr) ==
            0);
    child.PutFirst(injector, {{}, List({1, 2})});
    CHECK(child.Queued() == std::pair(Ints{12, 13, 11}, Ints{3, 4, 1, 2}));
  }
  REQUIRE(injector.End());
}

TEST_CASE("signal order: a signal at its delivery is handed back") {
  Waiting child(false);
  bool to_thread = GENERATE(false, true);
  child.Send({1, 2, 3}, to_thread);
  REQUIRE(child.tracee().Continue());
  child.Next(Stop::Kind::kSignal);
  auto info = child.tracee().GetSignalInfo();
  REQUIRE(info);
  CHECK(info->si_value.sival_int == 1);
  auto injector = child.Inject();
  REQUIRE(injector.HandBack(kSignal));
  auto [of_thread, of_process] = child.Queued();
  // Linux before 5.17 puts it on the thread's queue, whichever it came from.
  bool is_of_thread = of_thread.size() > (to_thread ? 2U : 0U);
  CHECK(is_of_thread >= to_thread);
  QueuedSignals older;
  (is_of_thread ? older.of_thread : older.of_process).push_back(*info);
  child.PutFirst(injector, older);
  std::tie(of_thread, of_process) = child.Queued();
  of_thread.insert(of_thread.end(), of_process.begin(), of_process.end());
  CHECK(of_thread == Ints{1, 2, 3});
  REQUIRE(injector.End());
}

}  // namespace
}  // namespace ssi
