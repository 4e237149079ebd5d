// Every call that waits, of signal(7)'s list, while a child sends signals: it
// ends with EINTR, or goes on if the handler says so and the call can.
// Argument: SECONDS.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>

#include "guest.h"

namespace {

volatile int signals = 0;
void OnSignal(int) {
  signals = signals + 1;
}

void Handle(int flags) {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = flags;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  signals = 0;
}

// Makes `call` while a child sends SIGUSR1 every 10 ms, for ever or, where the
// call is to go on, until after the fifth it does `then`, which ends the call.
template <typename Call, typename Then>
void Interrupt(Call call, Then then, bool for_ever, bool by_signal = true) {
  const pid_t self = getpid();
  const pid_t child = guest::Fork([=] {
    for (int i = 0; for_ever || i < 5; ++i) {
      guest::Pace(10);
      SSI_OK(kill(self, SIGUSR1));
    }
    guest::Pace(10);
    then();
  });
  call(child);
  SSI_TRUE(!by_signal || signals > 0);
  SSI_OK(kill(child, SIGKILL));
  const int status = guest::Reap(child);
  SSI_TRUE(status == 0 || WTERMSIG(status) == SIGKILL);
}

int reader = -1;
int writer = -1;

void MakePipe() {
  int ends[2];
  SSI_OK(pipe(ends));
  reader = ends[0];
  writer = ends[1];
}

void ClosePipe() {
  SSI_OK(close(reader));
  SSI_OK(close(writer));
}

void Nothing() {}

// The call fails with EINTR under a handler without SA_RESTART.
template <typename Call>
void Fails(Call call, int flags = 0) {
  Handle(flags);
  Interrupt([=](pid_t child) { SSI_FAILS(call(child), EINTR); }, Nothing, true);
}

// The call goes on under SA_RESTART until `then` has been done.
template <typename Call, typename Then>
void GoesOn(Call call, long want, Then then) {
  Handle(SA_RESTART);
  Interrupt([=](pid_t child) { SSI_EQ(call(child), want); }, then, false);
}

void Reading() {
  MakePipe();
  static char text[8];
  static const iovec one[1] = {{text, sizeof text}};
  const auto plain = [](pid_t) {
    return read(reader, text, sizeof text);
  };
  const auto vector = [](pid_t) {
    return readv(reader, one, 1);
  };
  const auto second = [](pid_t) {
    return syscall(SYS_preadv2, reader, one, 1, -1L, 0L, 0);
  };
  const auto feed = [] {
    SSI_EQ(write(writer, "abc", 3), 3);
  };
  Fails(plain);
  Fails(vector);
  Fails(second);
  GoesOn(plain, 3, feed);
  GoesOn(vector, 3, feed);
  GoesOn(second, 3, feed);
  ClosePipe();
}

void Writing() {
  MakePipe();
  static char bytes[65536];
  SSI_EQ(write(writer, bytes, sizeof bytes), sizeof bytes);  // it is full
  const auto plain = [](pid_t) {
    return write(writer, bytes, 4096);
  };
  const auto drain = [] {
    SSI_EQ(read(reader, bytes, 8192), 8192);
  };
  Fails(plain);
  GoesOn(plain, 4096, drain);
  // In the middle of a large one: as far as it has come. A move ends it as
  // well.
  Handle(0);
  static int before = 0;
  SSI_OK(ioctl(reader, FIONREAD, &before));
  SSI_EQ(before, 61440);
  Interrupt([](pid_t) { SSI_EQ(write(writer, bytes, sizeof bytes), 4096); },
            Nothing, true, false);
  ClosePipe();
}

void Children() {
  const auto wait_child = [](pid_t child) {
    int status = 0;
    const long result = syscall(SYS_wait4, child, &status, 0, nullptr);
    return result == child ? status : result;
  };
  const auto wait_id = [](pid_t child) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  };
  Fails(wait_child);
  Fails(wait_id);
  GoesOn(wait_id, 0, Nothing);
}

void Opening() {
  SSI_OK(mkfifo("fifo", 0600));
  const auto open_it = [](pid_t) {
    const int fd = open("fifo", O_RDONLY);
    return fd < 0 ? fd : close(fd);
  };
  Fails(open_it);
  GoesOn(open_it, 0, [] { SSI_OK(open("fifo", O_WRONLY)); });
  SSI_OK(unlink("fifo"));
}

void Terminal() {
  const int master = SSI_OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  int locked = 0;
  SSI_OK(ioctl(master, TIOCSPTLCK, &locked));
  const int slave = SSI_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  const auto read_it = [=](pid_t) {
    char line[16];
    return read(slave, line, sizeof line);
  };
  Fails(read_it);
  GoesOn(read_it, 5, [=] { SSI_EQ(write(master, "line\n", 5), 5); });
  SSI_OK(close(slave));
  SSI_OK(close(master));
}

// These fail whatever the handler says.
void NeverGoOn() {
  MakePipe();
  for (const int flags : {0, SA_RESTART}) {
    Fails([](pid_t) { return pause(); }, flags);
    Fails(
        [](pid_t) {
          pollfd wait{reader, POLLIN, 0};
          return poll(&wait, 1, -1);
        },
        flags);
    Fails(
        [](pid_t) {
          timespec hour{3600, 0};
          const int result = static_cast<int>(
              syscall(SYS_ppoll, nullptr, 0, &hour, nullptr, 8));
          SSI_TRUE(hour.tv_sec >= 3500 && hour.tv_sec < 3600);  // what is left
          return result;
        },
        flags);
    Fails(
        [](pid_t) {
          timeval hour{3600, 0};
          const int result = static_cast<int>(
              syscall(SYS_select, 0, nullptr, nullptr, nullptr, &hour));
          SSI_TRUE(hour.tv_sec >= 3500 && hour.tv_sec < 3600);
          return result;
        },
        flags);
    Fails(
        [](pid_t) {
          return pselect(0, nullptr, nullptr, nullptr, nullptr, nullptr);
        },
        flags);
    Fails(
        [](pid_t) {
          sigset_t none;
          sigemptyset(&none);
          return sigsuspend(&none);
        },
        flags);
    Fails(
        [](pid_t) {
          sigset_t other;
          sigemptyset(&other);
          sigaddset(&other, SIGUSR2);
          return sigwaitinfo(&other, nullptr);
        },
        flags);
  }
  ClosePipe();
}

// Sleeps say what is left of them; what is slept and what is left make up
// the whole.
void Sleeping() {
  for (const int flags : {0, SA_RESTART}) {
    for (const long number : {SYS_nanosleep, SYS_clock_nanosleep}) {
      Fails(
          [number](pid_t) {
            const timespec hour{3600, 0};
            timespec left{};
            const std::int64_t start = guest::Nanoseconds();
            const long result =
                number == SYS_nanosleep
                    ? syscall(number, &hour, &left)
                    : syscall(number, CLOCK_MONOTONIC, 0, &hour, &left);
            const std::int64_t slept = guest::Nanoseconds() - start;
            const std::int64_t rest =
                left.tv_sec * 1'000'000'000 + left.tv_nsec;
            SSI_TRUE(slept + rest >= 3'600'000'000'000);
            SSI_TRUE(slept + rest < 3'610'000'000'000);  // a busy machine
            return result;
          },
          flags);
    }
    Fails(
        [](pid_t) {
          const timespec far{1L << 40, 0};
          return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME,
                         &far, nullptr);
        },
        flags);
  }
}

void Futexes() {
  static unsigned word = 5;
  Fails([](pid_t) {
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, nullptr);
  });
  Fails([](pid_t) {  // one with a time limit is not restarted by a handler
    const timespec hour{3600, 0};
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, &hour);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"reading", Reading},
                                {"writing", Writing},
                                {"children", Children},
                                {"opening", Opening},
                                {"terminal", Terminal},
                                {"never go on", NeverGoOn},
                                {"sleeping", Sleeping},
                                {"futexes", Futexes}});
}
