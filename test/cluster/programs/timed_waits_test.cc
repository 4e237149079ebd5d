// Calls with a time limit that the kernel gives up when it is interrupted: one
// that sleeps while its process moves has what is left of its time.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// Prints the milliseconds that a wait of 3 s took, its call begun.
constexpr const char* kWait = R"(
import ctypes, select, signal, sys, threading, time
kind, threads = sys.argv[1:]
if threads == "threads":
    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
libc = ctypes.CDLL(None)
pair = (ctypes.c_long * 2)(3, 0)
word = ctypes.c_int(0)
epoll = select.epoll()
waits = {
    "sigtimedwait": lambda: signal.sigtimedwait([signal.SIGUSR1], 3),
    "epoll_wait": lambda: epoll.poll(3),
    "epoll_pwait": lambda: libc.syscall(281, epoll.fileno(),
        (ctypes.c_char * 12)(), 1, 3000, 0, 8),
    "poll": lambda: select.poll().poll(3000),
    "select": lambda: select.select([], [], [], 3),
    "nanosleep": lambda: libc.nanosleep(pair, None),
    "futex": lambda: libc.syscall(202, ctypes.byref(word), 0, 0, pair, 0, 0),
}
begin = time.monotonic()
waits[kind]()
print(round((time.monotonic() - begin) * 1000))
)";

struct Wait {
  std::string kind;
  std::string out;
  std::unique_ptr<Job> job;
};

TEST_CASE("a wait goes on with what is left of its time", "[sample]") {
  Cluster cluster(3);
  std::vector<Wait> waits;
  for (const char* kind : {"sigtimedwait", "epoll_wait", "epoll_pwait", "poll",
                           "select", "nanosleep", "futex"}) {
    for (const char* threads : {"alone", "threads"}) {
      Wait wait{std::string(kind) + " " + threads, "", nullptr};
      wait.out = cluster.folder() + "/" + wait.kind + ".took";
      Spawn spawn;
      spawn.out = wait.out;
      wait.job = std::make_unique<Job>(
          cluster, std::vector<std::string>{},
          std::vector<std::string>{"/usr/bin/python3", "-c", kWait, kind,
                                   threads},
          spawn);
      waits.push_back(std::move(wait));
    }
  }
  for (auto& wait : waits) {
    INFO(wait.kind);
    // In its call: what python does before has no part in this.
    pid_t pid = wait.job->CommandPid();
    REQUIRE(Eventually(
        [&] {
          std::string call =
              ReadAllOf("/proc/" + std::to_string(pid) + "/syscall");
          constexpr std::string_view kCalls =
              "128 232 281 7 23 270 35 230 202 ";
          std::string number = call.substr(0, call.find(' ') + 1);
          return NameOf(pid) == "python3" && StateOf(pid) == 'S' &&
                 kCalls.find(number) != std::string_view::npos;
        },
        10s));
  }
  // Long enough for a wait that began anew to be seen.
  auto later = std::chrono::steady_clock::now() + 1500ms;
  (void)Eventually([&] { return std::chrono::steady_clock::now() > later; },
                   2s);
  for (const char* node : {"n2", "n3"}) {
    for (auto& wait : waits) {
      INFO(wait.kind << " to " << node << ": " << wait.job->last_refusal());
      CHECK(wait.job->MoveTo(node));
    }
    CHECK(cluster.Bodies(node).size() == waits.size());
  }
  for (auto& wait : waits) {
    INFO(wait.kind);
    CHECK(Describe(wait.job->front().Wait(20s)) == "exit 0");
    int took = std::stoi("0" + ReadAllOf(wait.out));
    CHECK(took >= 3000);
    CHECK(took < 4200);
  }
}

}  // namespace
}  // namespace ssi::test
