// For guests with threads.
#ifndef SSI_TEST_GUESTS_GUEST_THREADS_H_
#define SSI_TEST_GUESTS_GUEST_THREADS_H_

#include <thread>
#include <vector>

namespace guest {

// Runs `check`, with a number from 0 on, in `kThreads` threads at once.
template <int kThreads, typename Check>
void InThreads(Check check) {
  std::vector<std::thread> threads;
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back([id, check] { check(id); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace guest

#endif  // SSI_TEST_GUESTS_GUEST_THREADS_H_
