// Threads: made, waiting for each other, with thread-local data, signals of
// their own, joined; then alone again. Argument: SECONDS.
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

thread_local std::uint64_t local = 5;

std::uint64_t Work(std::uint64_t seed, int steps) {
  for (int i = 0; i < steps; ++i) {
    seed = guest::Mix(seed);
  }
  return seed;
}

void CreateAndJoin() {
  std::vector<std::uint64_t> results(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([i, &results] {
      SSI_EQ(local, 5);
      local = i;
      results[i] = Work(i, 100'000);
      SSI_EQ(local, i);
      SSI_TRUE(gettid() != getpid());
    });
  }
  const std::uint64_t mine = Work(99, 100'000);
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    SSI_EQ(results[i], Work(i, 100'000));
  }
  SSI_EQ(mine, Work(99, 100'000));
  SSI_EQ(local, 5);
  SSI_EQ(gettid(), getpid());
}

void HandOver() {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  int turn = 0;
  std::vector<std::thread> threads;
  for (int id = 0; id < 3; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < 100; ++i) {
        pthread_mutex_lock(&mutex);
        while (turn % 3 != id) {
          pthread_cond_wait(&changed, &mutex);
        }
        ++turn;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  SSI_EQ(turn, 300);
}

std::atomic<pid_t> handled_by = 0;
void OnSignal(int) {
  handled_by = gettid();
}

void Signals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  SSI_OK(sigaction(SIGUSR1, &action, nullptr));
  std::atomic<bool> done = false;
  std::atomic<pid_t> id = 0;
  std::thread thread([&] {
    id = gettid();
    while (!done) {
      Work(1, 1000);
    }
  });
  while (id == 0) {
    sched_yield();
  }
  handled_by = 0;
  SSI_EQ(pthread_kill(thread.native_handle(), SIGUSR1), 0);
  while (handled_by == 0) {
    sched_yield();
  }
  SSI_EQ(handled_by, id);
  // Sent to the process, but only the other thread lets it in.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  SSI_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  handled_by = 0;
  SSI_OK(kill(getpid(), SIGUSR1));
  while (handled_by == 0) {
    sched_yield();
  }
  SSI_EQ(handled_by, id);
  SSI_EQ(pthread_sigmask(SIG_UNBLOCK, &set, nullptr), 0);
  done = true;
  thread.join();
}

void AloneAgain() {
  const pid_t self = getpid();
  guest::Compute(20);
  SSI_EQ(gettid(), self);
  SSI_EQ(getppid() > 0, true);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"create and join", CreateAndJoin},
                     {"hand over", HandOver},
                     {"signals", Signals},
                     {"alone again", AloneAgain}});
}
