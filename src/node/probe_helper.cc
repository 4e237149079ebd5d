#include "node/probe_helper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/unix_socket.h"
#include "process/wait_status.h"

namespace ssi {

Result<Helper> Helper::Start(const std::function<int(int socket)>& body) {
  SSI_ASSIGN(auto sockets, MakeSocketPair(SOCK_SEQPACKET));
  pid_t pid = ::fork();
  if (pid < 0) {
    return FailErrno(errno, "fork");
  }
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sockets.first.Reset();
    ::_exit(body(sockets.second.get()));
  }
  return Helper(pid, std::move(sockets.first));
}

Result<Helper> Helper::StartIdle() {
  return Start([](int) -> int {
    for (;;) {
      ::pause();
    }
  });
}

Helper::Helper(Helper&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), socket_(std::move(other.socket_)) {}

Helper::~Helper() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
}

Result<int> Helper::ExitCode() {
  int status = 0;
  while (::waitpid(pid_, &status, __WALL) < 0) {
    if (errno != EINTR) {
      return FailErrno(errno, "wait for a child");
    }
  }
  pid_ = -1;
  Stop stop = DecodeWaitStatus(status);
  if (stop.kind != Stop::Kind::kExited) {
    return Fail(ErrorCode::kGone, "a child: {}", stop.Describe());
  }
  return stop.value;
}

Status SendNumber(int socket, std::int64_t number) {
  return SendWithFds(socket, std::as_bytes(std::span(&number, 1)), {});
}

Result<std::int64_t> ReceiveNumber(int socket) {
  std::int64_t number = 0;
  SSI_ASSIGN(auto message, ReceiveWithFds(socket, sizeof number));
  if (message.data.size() != sizeof number) {
    return Fail(ErrorCode::kGone, "a child ended without an answer");
  }
  std::memcpy(&number, message.data.data(), sizeof number);
  return number;
}

}  // namespace ssi
