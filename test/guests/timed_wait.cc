// One wait of eight seconds that nothing ends: which call, and what else the
// process does meanwhile. Prints its result and the milliseconds that it took.
//
// usage: timed_wait CALL alone|threads|vfork|later FOLDER
//
// later: it begins when FOLDER/fifo has had a writer.
// vfork: a second thread is the parent of a vfork, which nothing interrupts,
// for as long as its child waits for a writer of FOLDER/fifo.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <atomic>
#include <string>
#include <thread>

#include "guest.h"

namespace {

constexpr int kSeconds = 8;
const timespec kLimit{kSeconds, 0};
constexpr int kMillis = 1000 * kSeconds;
constexpr std::size_t kSetSize = 8;

// A socket that waits as long to receive, where nothing comes.
int SilentSocket() {
  int pair[2];
  timeval time{kSeconds, 0};
  SSI_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SSI_OK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
  return pair[0];
}

long Wait(const std::string& call, int socket) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  timespec limit = kLimit;
  if (call == "sigtimedwait") {
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return syscall(SYS_rt_sigtimedwait, &set, nullptr, &kLimit, kSetSize);
  }
  if (call == "nanosleep") {
    return syscall(SYS_nanosleep, &kLimit, nullptr);
  }
  if (call == "clock_nanosleep") {
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &kLimit, nullptr);
  }
  if (call == "poll") {
    return syscall(SYS_poll, nullptr, 0, kMillis);
  }
  if (call == "ppoll") {
    return syscall(SYS_ppoll, nullptr, 0, &limit, &set, kSetSize);
  }
  if (call == "select") {
    timeval pair{kSeconds, 0};
    return syscall(SYS_select, 0, nullptr, nullptr, nullptr, &pair);
  }
  if (call == "futex") {
    std::uint32_t word = 0;
    return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &kLimit, nullptr, 0);
  }
  char byte;
  if (call == "recv") {
    return recv(socket, &byte, 1, 0);
  }
  if (call == "read") {
    return read(socket, &byte, 1);
  }
  if (call == "semtimedop") {
    int id = semget(IPC_PRIVATE, 1, 0600);
    sembuf down{0, -1, 0};
    long result = syscall(SYS_semtimedop, id, &down, 1, &kLimit);
    int error = errno;
    semctl(id, 0, IPC_RMID);
    errno = error;
    return result;
  }
  epoll_event event{};
  int epoll = epoll_create1(0);
  if (call == "epoll_wait") {
    return syscall(SYS_epoll_wait, epoll, &event, 1, kMillis);
  }
  if (call == "epoll_pwait") {
    return syscall(SYS_epoll_pwait, epoll, &event, 1, kMillis, &set, kSetSize);
  }
  return syscall(SYS_epoll_pwait2, epoll, &event, 1, &kLimit, &set, kSetSize);
}

// Nothing but calls: it has its parent's memory.
[[gnu::noinline]] pid_t SpawnAtFifo(const char* fifo) {
  pid_t child = vfork();
  if (child == 0) {
    open(fifo, O_RDONLY);
    _exit(0);
  }
  return child;
}

}  // namespace

int main(int argc, char** argv) {
  SSI_TRUE(argc == 4);
  const std::string meanwhile = argv[2];
  const std::string fifo = std::string(argv[3]) + "/fifo";
  std::atomic<bool> over{false};
  std::thread other([&] {
    if (meanwhile == "threads") {
      while (!over) {
        usleep(1000);
      }
    } else if (meanwhile == "vfork") {
      waitpid(SpawnAtFifo(fifo.c_str()), nullptr, 0);
    }
  });
  if (meanwhile == "alone" || meanwhile == "later") {
    other.join();
  }
  int socket = SilentSocket();
  if (meanwhile == "later") {
    SSI_OK(open(fifo.c_str(), O_RDONLY));
  }
  timespec begin{};
  timespec end{};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  long result = Wait(argv[1], socket);
  int error = result < 0 ? errno : 0;
  clock_gettime(CLOCK_MONOTONIC, &end);
  over = true;
  if (other.joinable()) {
    other.join();
  }
  long took = (end.tv_sec - begin.tv_sec) * 1000 +
              (end.tv_nsec - begin.tv_nsec) / 1'000'000;
  printf("%ld %s %ld\n", result, strerrorname_np(error), took);
  return 0;
}
