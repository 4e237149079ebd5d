#include "deputy/waiter.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ssi {

namespace {

// uapi/linux/futex.h, futex_waitv (Linux 5.16); Debian 12 has it.
constexpr std::size_t kMostWords = FUTEX_WAITV_MAX;

futex_waitv WaitFor(const std::atomic<std::uint32_t>* word,
                    std::uint32_t value) {
  futex_waitv entry{};
  entry.val = value;
  entry.uaddr = reinterpret_cast<std::uint64_t>(word);
  entry.flags = FUTEX_32;
  return entry;
}

}  // namespace

Result<std::unique_ptr<Waiter>> Waiter::Make(Loop& loop,
                                             std::function<void()> on_alarm) {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) {
    return FailErrno(errno, "eventfd");
  }
  return std::unique_ptr<Waiter>(
      new Waiter(loop, std::move(event), std::move(on_alarm)));
}

Waiter::Waiter(Loop& loop, UniqueFd event, std::function<void()> on_alarm)
    : event_(std::move(event)),
      on_alarm_(std::move(on_alarm)),
      watch_(loop, event_.get(), [this] {
        std::uint64_t count = 0;
        (void)!::read(event_.get(), &count, sizeof count);
        on_alarm_();
      }) {
  // The signals are the loop's: the thread inherits a full mask.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  thread_ = std::thread([this] { Run(); });
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "ssi-waiter");
}

Waiter::~Waiter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  poke_.fetch_add(1);
  ::syscall(SYS_futex, &poke_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  thread_.join();
}

void Waiter::Watch(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  {
    std::lock_guard lock(mutex_);
    auto same = std::find_if(
        entries_.begin(), entries_.end(),
        [&word](const Entry& entry) { return entry.word == &word; });
    if (same != entries_.end()) {
      return;  // at an older value, perhaps: then it alarms at once
    }
    entries_.push_back({&word, value});
  }
  poke_.fetch_add(1);
  ::syscall(SYS_futex, &poke_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void Waiter::Join(std::atomic<std::uint32_t>& word) {
  ++users_[&word];
}

void Waiter::Leave(std::atomic<std::uint32_t>& word) {
  if (--users_[&word] > 0) {
    return;
  }
  users_.erase(&word);
  {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_,
                  [&word](const Entry& entry) { return entry.word == &word; });
  }
  Poke();
}

void Waiter::Poke() {
  std::uint32_t wanted = poke_.fetch_add(1) + 1;
  ::syscall(SYS_futex, &poke_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  for (std::uint32_t seen = seen_.load(); seen != wanted; seen = seen_.load()) {
    ::syscall(SYS_futex, &seen_, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  }
}

void Waiter::Run() {
  std::vector<futex_waitv> words;
  for (;;) {
    std::uint32_t poke = poke_.load();
    words.clear();
    bool changed = false;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) {
        return;
      }
      auto moved = [](const Entry& entry) {
        return entry.word->load() != entry.value;
      };
      changed = std::erase_if(entries_, moved) != 0;
      for (const auto& entry : entries_) {
        if (words.size() + 1 < kMostWords) {
          words.push_back(WaitFor(entry.word, entry.value));
        }
      }
    }
    seen_.store(poke);
    ::syscall(SYS_futex, &seen_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    if (changed) {
      std::uint64_t one = 1;
      (void)!::write(event_.get(), &one, sizeof one);
    }
    words.push_back(WaitFor(&poke_, poke));
    words.back().flags |= FUTEX_PRIVATE_FLAG;
    ::syscall(SYS_futex_waitv, words.data(), words.size(), 0, nullptr,
              CLOCK_MONOTONIC);
  }
}

}  // namespace ssi
