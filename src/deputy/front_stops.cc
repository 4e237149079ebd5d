#include "deputy/front_stops.h"

#include "base/clock.h"

namespace ssi {

namespace {
using namespace std::chrono_literals;
constexpr Nanos kAgain = 10ms;
}  // namespace

void FrontStops::OnStopped(int signal) {
  again_.Stop();
  ++asleep_;
  hooks_.tell(FrontMessage::Kind::kStopped, signal);
}

void FrontStops::OnContinued() {
  hooks_.send_continue();
  if (asleep_ > 0) {
    again_.Start(kAgain, [this] { OnContinued(); });
  }
}

void FrontStops::OnAwake() {
  if (asleep_ > 0 && --asleep_ == 0) {
    again_.Stop();
    hooks_.settled();
  }
}

}  // namespace ssi
