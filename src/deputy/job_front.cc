// What the job and its front say to each other.
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "deputy/job.h"

namespace ssi {

namespace {

// What the front takes in one message, and some.
constexpr std::size_t kMostLog = std::size_t{32} << 10;

}  // namespace

void Job::TellFront(FrontMessage::Kind kind, int value) {
  FrontMessage message{kind, value};
  (void)front_.Send(std::as_bytes(std::span(&message, 1)));
}

void Job::SendLog(std::string_view text) {
  if (text.size() > kMostLog) {
    SendLog(text.substr(0, kMostLog));
    SendLog(text.substr(kMostLog));
    return;
  }
  FrontMessage head{FrontMessage::Kind::kLog, 0};
  std::vector<std::byte> bytes(sizeof head + text.size());
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, text.data(), text.size());
  (void)front_.Send(bytes);
}

void Job::OnFrontMessage(std::span<const std::byte> data) {
  FrontMessage message;
  if (data.size() != sizeof message) {
    return;
  }
  std::memcpy(&message, data.data(), sizeof message);
  if (message.kind == FrontMessage::Kind::kSignal && main_ > 0 &&
      !main_status_) {
    ::kill(main_, message.value);
  } else if (message.kind == FrontMessage::Kind::kAwake) {
    front_stops_.OnAwake();
  }
}

FrontStops::Hooks Job::StopHooks() {
  FrontStops::Hooks hooks;
  hooks.tell = [this](FrontMessage::Kind kind, int value) {
    TellFront(kind, value);
  };
  hooks.send_continue = [this] {
    if (!front_gone_) {
      ::kill(::getppid(), SIGCONT);
    }
  };
  hooks.settled = [this] {
    EndIfEmpty();
  };
  return hooks;
}

void Job::OnFrontGone() {
  front_gone_ = true;
  if (!main_status_) {
    KillJob("the front of ssirun was killed");
  } else {
    EndIfEmpty();
  }
}

}  // namespace ssi
