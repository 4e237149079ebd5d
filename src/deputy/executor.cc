#include "deputy/executor.h"

#include <chrono>

namespace ssi {

namespace {
using namespace std::chrono_literals;
// How long the loop itself waits for a call before it lets the waiter do so: a
// call that does not block takes 4 us, a sleep and a wake-up across CPUs 30.
constexpr auto kQuickCall = 20us;
}  // namespace

Executor::Executor(AgentWindow& window, Waiter& waiter)
    : window_(window), waiter_(waiter) {
  waiter_.Join(window_.alarm_word());
}

Executor::~Executor() {
  waiter_.Leave(window_.alarm_word());
}

void Executor::Submit(AgentJob& job) {
  queue_.push_back(&job);
  if (current_ == nullptr && !starting_) {
    StartNext();
  }
}

void Executor::StartNext() {
  if (!window_.Done()) {
    return;  // the thread has died in a job of another's; its end is on the way
  }
  starting_ = true;
  while (current_ == nullptr && !queue_.empty()) {
    current_ = queue_.front();
    queue_.pop_front();
    std::size_t count = current_->Prepare(window_);
    if (count == 0) {
      Complete();
      continue;
    }
    window_.Post(count);
    if (window_.WaitDone(kQuickCall)) {
      Complete();
    } else {
      SleepOn();
    }
  }
  starting_ = false;
  TellIdle();
}

void Executor::SleepOn() {
  std::uint32_t alarm = window_.alarm_word().load();
  if (window_.ArmWaiter()) {
    // The waiter forgets the word by itself when an agent has bumped it.
    waiter_.Watch(window_.alarm_word(), alarm);
  } else {
    Complete();
  }
}

void Executor::Complete() {
  AgentJob* done = std::exchange(current_, nullptr);
  done->Finished(window_);
}

void Executor::WhenIdle(std::function<void()> then) {
  when_idle_ = std::move(then);
  TellIdle();
}

void Executor::TellIdle() {
  if (Idle() && when_idle_) {
    std::exchange(when_idle_, nullptr)();
  }
}

void Executor::Poll() {
  if (current_ == nullptr || starting_) {
    return;
  }
  if (window_.Done()) {
    Complete();
  } else {
    // The agent was on its way out of the job before when this one was armed:
    // that wake-up has used the arming up, and the waiter has forgotten it.
    SleepOn();
  }
  if (current_ == nullptr) {
    StartNext();
  }
}

}  // namespace ssi
