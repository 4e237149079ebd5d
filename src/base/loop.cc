#include "base/loop.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/check.h"

namespace ssi {

struct ReadWatch::State {
  State(Loop& loop, int fd, std::function<void()> callback)
      : descriptor(loop, fd), on_ready(std::move(callback)) {}
  asio::posix::stream_descriptor descriptor;
  std::function<void()> on_ready;
  bool stopped = false;
};

ReadWatch::ReadWatch(Loop& loop, int fd, std::function<void()> on_ready)
    : state_(std::make_shared<State>(loop, fd, std::move(on_ready))) {
  Arm(state_);
}

ReadWatch::~ReadWatch() {
  Stop();
}

void ReadWatch::Stop() {
  if (!state_->stopped) {
    state_->stopped = true;
    (void)state_->descriptor.release();  // ours to watch, not to close
  }
}

void ReadWatch::Arm(const std::shared_ptr<State>& state) {
  state->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                               [state](const boost::system::error_code& error) {
                                 if (error || state->stopped) {
                                   return;
                                 }
                                 state->on_ready();
                                 if (!state->stopped) {
                                   Arm(state);
                                 }
                               });
}

void ReadWatch::OnceWritable(std::function<void()> on_writable) {
  state_->descriptor.async_wait(
      asio::posix::descriptor_base::wait_write,
      [state = state_, on_writable = std::move(on_writable)](
          const boost::system::error_code& error) {
        if (!error && !state->stopped) {
          on_writable();
        }
      });
}

void Timer::Start(std::chrono::nanoseconds delay,
                  std::function<void()> action) {
  Stop();
  running_ = std::make_shared<bool>(true);
  timer_.expires_after(
      std::chrono::duration_cast<asio::steady_timer::duration>(delay));
  timer_.async_wait([running = running_, action = std::move(action)](
                        const boost::system::error_code& error) {
    if (!error && *running) {
      *running = false;
      action();
    }
  });
}

// One that has expired and waits for its turn in the loop is not cancelled by
// the end of timer_.
Timer::~Timer() {
  Stop();
}

void Timer::Stop() {
  if (running_ && *running_) {
    *running_ = false;
    timer_.cancel();
  }
}

void Later::Call(std::function<void()> action) {
  asio::post(loop_, [alive = alive_, action = std::move(action)] {
    if (*alive) {
      action();
    }
  });
}

Result<std::unique_ptr<SignalSource>> SignalSource::Make(
    Loop& loop, std::initializer_list<int> signals,
    std::function<void(const signalfd_siginfo&)> on_signal) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) {
    sigaddset(&set, signal);
  }
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    return FailErrno(errno, "signalfd");
  }
  return std::unique_ptr<SignalSource>(
      new SignalSource(loop, std::move(fd), std::move(on_signal)));
}

SignalSource::SignalSource(
    Loop& loop, UniqueFd fd,
    std::function<void(const signalfd_siginfo&)> on_signal)
    : fd_(std::move(fd)),
      on_signal_(std::move(on_signal)),
      watch_(loop, fd_.get(), [this] { Drain(); }) {}

void SignalSource::Drain() {
  std::array<signalfd_siginfo, 16> events{};
  for (;;) {
    ssize_t n = ::read(fd_.get(), events.data(), sizeof events);
    if (n <= 0) {
      return;
    }
    auto count = static_cast<std::size_t>(n) / sizeof events[0];
    for (std::size_t i = 0; i < count; ++i) {
      on_signal_(events[i]);
    }
  }
}

sigset_t BlockSignals(std::initializer_list<int> signals) {
  sigset_t set;
  sigset_t old;
  sigemptyset(&set);
  for (int signal : signals) {
    sigaddset(&set, signal);
  }
  SSI_CHECK(::pthread_sigmask(SIG_BLOCK, &set, &old) == 0, "sigmask");
  return old;
}

}  // namespace ssi
