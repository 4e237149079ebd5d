#include "base/reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

namespace ssi {

namespace {

constexpr int kNone = -1;

// A file of /proc is open at a time in each thread, and the loop can read one
// while it lists a folder; two more for a second thread.
std::array<std::atomic<int>, 4> reserve = {kNone, kNone, kNone, kNone};
std::atomic<bool> keeps = false;

// What was taken comes back as soon as there is room.
void Refill() {
  for (auto& place : reserve) {
    if (place.load() != kNone) {
      continue;
    }
    int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    int none = kNone;
    if (fd >= 0 && !place.compare_exchange_strong(none, fd)) {
      ::close(fd);
    }
    if (fd < 0) {
      return;
    }
  }
}

bool GiveOneBack() {
  for (auto& place : reserve) {
    int fd = place.exchange(kNone);
    if (fd != kNone) {
      ::close(fd);
      return true;
    }
  }
  return false;
}

}  // namespace

void KeepReserve() {
  keeps = true;
  Refill();
}

Result<UniqueFd> OpenBriefly(const std::string& path, int flags) {
  if (keeps) {
    Refill();
  }
  for (;;) {
    auto fd = Open(path, flags);
    bool full = !fd && (fd.error().sys_errno == EMFILE ||
                        fd.error().sys_errno == ENFILE);
    if (!full || !GiveOneBack()) {
      return fd;
    }
  }
}

}  // namespace ssi
