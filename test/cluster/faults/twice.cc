#include "cluster/faults/twice.h"

#include "support/child.h"

namespace ssi::test {

Twice::Twice(std::function<std::vector<pid_t>()> bodies)
    : bodies_(std::move(bodies)), thread_([this] {
        while (!stop_) {
          Look();
          PauseBriefly();
        }
      }) {}

Twice::~Twice() {
  if (thread_.joinable()) {
    stop_ = true;
    thread_.join();
  }
}

void Twice::Look() {
  ++looks_;
  for (pid_t pid : bodies_()) {
    unsigned long ticks = UserTicks(pid);
    auto [at, is_new] = ticks_.try_emplace(pid, ticks);
    if (ticks > at->second) {
      growths_.push_back({looks_, pid});
      at->second = ticks;
    }
  }
}

std::string Twice::Stop() {
  if (thread_.joinable()) {
    stop_ = true;
    thread_.join();
  }
  // A rebuild is a few injected calls: one tick of it may be seen as well.
  constexpr std::size_t kComputes = 2;
  struct Span {
    std::size_t first;
    std::size_t last;
  };
  std::map<pid_t, Span> spans;
  for (std::size_t i = 0; i < growths_.size(); ++i) {
    auto [at, is_new] = spans.try_emplace(growths_[i].pid, Span{i, i});
    at->second.last = i;
  }
  for (const auto& [pid, span] : spans) {
    std::map<pid_t, std::size_t> between;
    for (std::size_t i = span.first; i < span.last; ++i) {
      pid_t other = growths_[i].pid;
      if (other != pid && ++between[other] >= kComputes) {
        return "bodies " + std::to_string(pid) + " and " +
               std::to_string(other) + " both computed";
      }
    }
  }
  return "";
}

}  // namespace ssi::test
