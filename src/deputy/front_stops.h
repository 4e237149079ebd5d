#ifndef SSI_DEPUTY_FRONT_STOPS_H_
#define SSI_DEPUTY_FRONT_STOPS_H_

#include <functional>

#include "base/loop.h"
#include "deputy/front.h"

namespace ssi {

// Stops the front when CMD stops, and lets it go on when CMD does.
//
// The front stops itself, by the same signal, when it gets the message. A
// SIGCONT that is sent before it has done so is lost: generating a stop signal
// discards it (signal(7)). So it is sent again until the front has said, for
// each stop, that it is awake again.
//
// Owner:   the job.
// Threads: the loop's.
class FrontStops {
 public:
  struct Hooks {
    std::function<void(FrontMessage::Kind, int value)> tell;
    std::function<void()> send_continue;  // SIGCONT, to the front
    std::function<void()> settled;        // no stop is without its answer
  };
  FrontStops(Loop& loop, Hooks hooks)
      : hooks_(std::move(hooks)), again_(loop) {}

  void OnStopped(int signal);
  void OnContinued();
  // The front is awake after a stop.
  void OnAwake();
  [[nodiscard]] bool Settled() const { return asleep_ == 0; }

 private:
  Hooks hooks_;
  Timer again_;
  int asleep_ = 0;  // stops that it was told of and has not come back from
};

}  // namespace ssi

#endif  // SSI_DEPUTY_FRONT_STOPS_H_
