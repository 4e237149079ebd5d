// From which queue a signal was taken, by what is known of its sender.
#include "deputy/signal_origins.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace ssi {
namespace {

const Task kSelf{HostPid{::getpid()}, HostPid{::getpid()}};
const Task kOther{HostPid{::getpid()}, HostPid{::getpid() + 1}};

siginfo_t Queued(int signal, int value) {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_value.sival_int = value;
  return info;
}

TEST_CASE("a signal queued for one thread is that thread's, once", "[sample]") {
  SignalOrigins origins;
  origins.Note(kSelf, Queued(SIGRTMIN, 5));
  CHECK_FALSE(origins.Taken(kSelf, Queued(SIGRTMIN, 6)));
  CHECK_FALSE(origins.Taken(kOther, Queued(SIGRTMIN, 5)));
  CHECK(origins.Taken(kSelf, Queued(SIGRTMIN, 5)));
  CHECK_FALSE(origins.Taken(kSelf, Queued(SIGRTMIN, 5)));

  origins.Note(kSelf, Queued(SIGRTMIN, 5));
  origins.Note(kSelf, Queued(SIGRTMIN, 5));
  origins.NotQueued(kSelf, Queued(SIGRTMIN, 5));
  CHECK(origins.Taken(kSelf, Queued(SIGRTMIN, 5)));
  CHECK_FALSE(origins.Taken(kSelf, Queued(SIGRTMIN, 5)));

  // Of a standard signal only one waits.
  origins.Note(kSelf, Queued(SIGUSR1, 5));
  origins.Note(kSelf, Queued(SIGUSR1, 5));
  CHECK(origins.Taken(kSelf, Queued(SIGUSR1, 5)));
  CHECK_FALSE(origins.Taken(kSelf, Queued(SIGUSR1, 5)));

  origins.Note(kSelf, Queued(SIGRTMIN, 5));
  origins.Forget(kSelf.thread);
  CHECK_FALSE(origins.Taken(kSelf, Queued(SIGRTMIN, 5)));
}

TEST_CASE("some signals tell their queue themselves", "[sample]") {
  SignalOrigins origins;
  siginfo_t info{};
  info.si_signo = SIGUSR1;
  info.si_code = SI_TKILL;
  CHECK(origins.Taken(kSelf, info));
  info.si_code = SI_USER;
  info.si_pid = ::getpid();
  CHECK_FALSE(origins.Taken(kSelf, info));
  info.si_signo = SIGPIPE;  // as the kernel sends it for a write
  CHECK(origins.Taken(kSelf, info));
  info.si_pid = ::getppid();
  CHECK_FALSE(origins.Taken(kSelf, info));
}

TEST_CASE("a timer's signal is the thread's that the timer was made for",
          "[sample]") {
  auto make = [](int notify) {
    sigevent event{};
    event.sigev_notify = notify;
    event.sigev_signo = SIGRTMIN;
    event._sigev_un._tid = static_cast<int>(::syscall(SYS_gettid));
    int id = -1;
    REQUIRE(::syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0);
    return id;
  };
  int of_process = make(SIGEV_SIGNAL);
  int of_thread = make(SIGEV_THREAD_ID);
  SignalOrigins origins;
  siginfo_t info{};
  info.si_signo = SIGRTMIN;
  info.si_code = SI_TIMER;
  info.si_timerid = of_thread;
  CHECK(origins.Taken(kSelf, info));
  info.si_timerid = of_process;
  CHECK_FALSE(origins.Taken(kSelf, info));
  info.si_timerid = of_thread + 100;
  CHECK_FALSE(origins.Taken(kSelf, info));
  ::syscall(SYS_timer_delete, of_process);
  ::syscall(SYS_timer_delete, of_thread);
}

}  // namespace
}  // namespace ssi
