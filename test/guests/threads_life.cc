// Threads that come and go: in numbers, detached, from each other, with raw
// clone and clone3; and who is there by /proc and by tgkill. Argument: SECONDS.
#include <dirent.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

std::set<pid_t> Listed() {
  std::set<pid_t> found;
  DIR* dir = opendir("/proc/self/task");
  SSI_TRUE(dir != nullptr);
  while (const dirent* entry = readdir(dir)) {
    if (const int tid = atoi(entry->d_name); tid != 0) {
      found.insert(tid);
    }
  }
  closedir(dir);
  return found;
}

void Numbers() {
  std::atomic<bool> go_on = false;
  std::array<std::atomic<pid_t>, 6> tids{};
  std::vector<std::thread> threads;
  for (auto& tid : tids) {
    threads.emplace_back([&tid, &go_on] {
      tid = gettid();
      while (!go_on) {
        guest::Pace(1);
      }
    });
  }
  std::set<pid_t> expected = {gettid()};
  for (auto& tid : tids) {
    while (tid == 0) {
      sched_yield();
    }
    expected.insert(tid);
  }
  SSI_EQ(expected.size(), tids.size() + 1);
  // Those of before have told their ends a little earlier than they are gone.
  while (Listed() != expected) {
    guest::Pace(1);
  }
  guest::Compute(20);
  SSI_TRUE(Listed() == expected);
  for (auto& tid : tids) {
    SSI_OK(syscall(SYS_tgkill, getpid(), tid.load(), 0));
  }
  go_on = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void Detached() {
  std::atomic<int> done = 0;
  for (int i = 0; i < 20; ++i) {
    std::thread([&done] {
      std::thread([&done] { ++done; }).detach();
      ++done;
    }).detach();
  }
  while (done < 40) {
    guest::Pace(1);
  }
}

alignas(16) std::array<std::array<char, 1 << 15>, 2> stacks;
std::atomic<pid_t> child_tid = 0;
std::atomic<int> ran = 0;

int RawThread(void* argument) {
  ran = static_cast<int>(reinterpret_cast<long>(argument)) + gettid();
  return 0;
}

// Waits for what the kernel does at the end of a thread with
// CLONE_CHILD_CLEARTID.
void AwaitCleared() {
  for (pid_t tid = child_tid; tid != 0; tid = child_tid) {
    syscall(SYS_futex, &child_tid, FUTEX_WAIT, tid, nullptr, nullptr, 0);
  }
}

constexpr int kRaw = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                     CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID |
                     CLONE_CHILD_SETTID | CLONE_PARENT_SETTID;

void RawClone() {
  pid_t parent_tid = 0;
  child_tid = -1;
  ran = 0;
  const int tid = SSI_OK(clone(RawThread, stacks[0].data() + stacks[0].size(),
                               kRaw, reinterpret_cast<void*>(5L), &parent_tid,
                               nullptr, &child_tid));
  SSI_EQ(parent_tid, tid);
  AwaitCleared();
  SSI_EQ(ran, 5 + tid);
  while (syscall(SYS_tgkill, getpid(), tid, 0) == 0) {
    guest::Pace(1);  // it has told its end a little earlier
  }
  SSI_EQ(errno, ESRCH);
}

void Many() {
  std::atomic<int> sum = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&sum] { ++sum; });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  SSI_EQ(sum, 160);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"numbers", Numbers},
                                                 {"detached", Detached},
                                                 {"raw clone", RawClone},
                                                 {"many", Many}});
}
