#include "base/fault.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "base/check.h"

namespace ssi::fault {

namespace {

constexpr std::array kPoints = std::to_array<std::string_view>({
    // In the guest supervisor, in the order of a move to it and back.
    "guest.asked",       // ASK has come
    "guest.accepting",   // before ACCEPT is said
    "guest.image",       // the image has come, nothing is built
    "guest.contents",    // built; its memory is being filled
    "guest.rebuilt",     // all is there, before READY
    "guest.starting",    // GO has come
    "guest.started",     // it runs, before RUNNING is said
    "guest.call",        // the first call is being forwarded
    "guest.onward",      // it is to connect to the node that comes next
    "guest.freezing",    // FREEZE has come
    "guest.sending",     // frozen, before the image is sent
    "guest.held",        // the image is sent, before HELD
    "guest.destroying",  // home has it, before the copy is destroyed
    // In the home supervisor, in the order of a move.
    "home.opening",     // before a node is asked for a session
    "home.connecting",  // it has opened one, before the connections are made
    "home.onward",      // before the source is told to connect to the target
    "home.asking",      // before ASK
    "home.freezing",    // before FREEZE, or before it freezes the process
    "home.sending",     // frozen, before the image is sent
    "home.receiving",   // before the image comes
    "home.refilled",    // the image is in the stand-in
    "home.committing",  // before the place is written down and GO is said
    "home.starting",    // GO is said, before it runs at home
    "home.emptying",    // it runs there, before the stand-in is emptied
    "home.finished",    // the move is over
});

struct Armed {
  std::string point;
  std::string action;
  unsigned pass = 0;  // 0: each one
};

const Armed& TheArmed() {
  static const Armed kArmed = [] {
    Armed armed;
    const char* text = std::getenv("SSI_FAULT");
    std::string value = text == nullptr ? "" : text;
    if (auto equals = value.find('='); equals != std::string::npos) {
      armed.point = value.substr(0, equals);
      if (auto at = armed.point.find('#'); at != std::string::npos) {
        armed.pass = static_cast<unsigned>(
            std::strtoul(armed.point.c_str() + at + 1, nullptr, 10));
        armed.point.resize(at);
      }
      armed.action = value.substr(equals + 1);
    }
    return armed;
  }();
  return kArmed;
}

}  // namespace

Action Hit(std::string_view point) {
  const Armed& armed = TheArmed();
  if (armed.point.empty() || armed.point != point) {
    return Action::kNone;
  }
  static unsigned passes = 0;
  if (++passes != armed.pass && armed.pass != 0) {
    return Action::kNone;
  }
  if (armed.action == "kill") {
    // The node: its daemon, and this process, which does the daemon's work.
    ::kill(::getppid(), SIGKILL);
    ::kill(::getpid(), SIGKILL);
  }
  if (armed.action == "stop") {
    (void)::raise(SIGSTOP);
  }
  if (armed.action == "fail") {
    return Action::kFail;
  }
  return armed.action == "cut" ? Action::kCut : Action::kNone;
}

std::span<const std::string_view> Points() {
  return kPoints;
}

}  // namespace ssi::fault
