// 64 threads that are in calls of all kinds, most of them waiting, while one
// keeps the others going. Each checks what comes back. Argument: SECONDS.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/select.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

constexpr int kThreads = 64;
constexpr int kKinds = 8;

std::atomic<bool> over = false;
std::array<std::atomic<std::uint64_t>, kThreads> rounds;

struct Pipe {
  int in = -1;
  int out = -1;
  Pipe() {
    int fds[2];
    SSI_OK(pipe(fds));
    in = fds[0];
    out = fds[1];
  }
};
std::array<Pipe, kThreads> pipes;

std::mutex mutex;
std::condition_variable changed;
std::uint64_t turn = 0;
std::array<sem_t, kThreads> semaphores;

// Bytes of its pipe come in order, each once.
void Read(int id) {
  static std::array<unsigned char, kThreads> next;
  unsigned char byte = 0;
  SSI_EQ(read(pipes[id].in, &byte, 1), 1);
  SSI_EQ(byte, next[id]++);
}

void Poll(int id) {
  pollfd ready{pipes[id].in, POLLIN, 0};
  if (SSI_OK(poll(&ready, 1, -1)) == 1) {
    SSI_EQ(ready.revents, POLLIN);
    Read(id);
  }
}

void Select(int id) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipes[id].in, &set);
  timeval limit{5, 0};
  if (SSI_OK(select(pipes[id].in + 1, &set, nullptr, nullptr, &limit)) == 1) {
    SSI_TRUE(FD_ISSET(pipes[id].in, &set));
    Read(id);
  }
}

void Sleep(int) {
  constexpr std::int64_t kTime = 15'000'000;
  const std::int64_t before = guest::Nanoseconds();
  const timespec time{0, kTime};
  SSI_OK(nanosleep(&time, nullptr));
  SSI_TRUE(guest::Nanoseconds() - before >= kTime);
}

void WaitForTurn(int) {
  std::unique_lock lock(mutex);
  const std::uint64_t before = turn;
  while (turn == before && !over) {
    changed.wait_for(lock, std::chrono::seconds(5));
  }
}

void Semaphore(int id) {
  while (sem_wait(&semaphores[id]) != 0) {
    SSI_EQ(errno, EINTR);
  }
}

void WaitForSignal(int) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  SSI_EQ(sigwaitinfo(&set, nullptr), SIGUSR2);
}

void Compute(int id) {
  std::uint64_t value = static_cast<std::uint64_t>(id);
  for (int i = 0; i < 200'000; ++i) {
    value = guest::Mix(value);
  }
  std::uint64_t again = static_cast<std::uint64_t>(id);
  for (int i = 0; i < 200'000; ++i) {
    again = guest::Mix(again);
  }
  SSI_TRUE(value == again);
}

constexpr std::array<void (*)(int), kKinds> kWork = {
    Read, Poll, Select, Sleep, WaitForTurn, Semaphore, WaitForSignal, Compute};

void Thread(int id) {
  const pid_t self = gettid();
  while (!over) {
    kWork[id % kKinds](id);
    SSI_EQ(gettid(), self);
    ++rounds[id];
  }
}

// What makes each of them go on.
void Pulse(const std::vector<pthread_t>& threads) {
  static std::array<unsigned char, kThreads> next;
  for (int id = 0; id < kThreads; ++id) {
    const int kind = id % kKinds;
    if (kind <= 2) {
      SSI_EQ(write(pipes[id].out, &next[id], 1), 1);
      ++next[id];
    } else if (kind == 5) {
      SSI_OK(sem_post(&semaphores[id]));
    } else if (kind == 6) {
      SSI_EQ(pthread_kill(threads[id], SIGUSR2), 0);
    }
  }
  const std::lock_guard lock(mutex);
  ++turn;
  changed.notify_all();
}

void All(double seconds) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  SSI_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  for (sem_t& semaphore : semaphores) {
    SSI_OK(sem_init(&semaphore, 0, 0));
  }
  std::vector<std::thread> threads;
  std::vector<pthread_t> handles;
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back(Thread, id);
    handles.push_back(threads.back().native_handle());
  }
  const std::int64_t end =
      guest::Nanoseconds() + static_cast<std::int64_t>(seconds * 1e9);
  bool all = false;
  while (guest::Nanoseconds() < end || !all) {
    Pulse(handles);
    guest::Pace(5);
    all = true;
    for (const auto& count : rounds) {
      all = all && count >= 2;
    }
  }
  over = true;
  Pulse(handles);
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace

int main(int argc, char** argv) {
  All(guest::Seconds(argc, argv));
  puts("PASS");
}
