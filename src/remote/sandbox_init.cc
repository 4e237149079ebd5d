// The init of a sandbox: pid 1 of its pid namespace. A program of its own,
// without libc, so that the processes it makes contain nothing of ours but a
// few pages: no key, no heap, no thread-local storage, no rseq.
//
// It is executed inside the sandbox's user namespace, because then the memory
// of its children belongs to that namespace and a guest that makes itself
// undumpable stays visible to its supervisor.
//
// It ends when its command socket closes (and by its parent-death signal, set
// before it was executed); with it ends everything in the sandbox. The order
// matters: its descriptors, copies of the guests' listeners among them, close
// before the kernel kills what is in its namespace, and a guest whose listener
// is gone would be told ENOSYS. So the guests are killed first: who has a
// SIGKILL pending never runs on.
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "remote/sandbox_protocol.h"

extern "C" {
extern const unsigned char ssi_agent_code[];      // NOLINT: assembler names
extern const unsigned char ssi_agent_code_end[];  // NOLINT
}

namespace {

using ssi::InitCommand;
using ssi::InitReply;
using ssi::InitRequest;

long Call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
          uint64_t d = 0, uint64_t e = 0, uint64_t f = 0) {
  long result = 0;
  register uint64_t r10 __asm__("r10") = d;
  register uint64_t r8 __asm__("r8") = e;
  register uint64_t r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                     "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

uint64_t Address(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

[[noreturn]] void Exit(int code) {
  for (;;) {
    Call(SYS_exit_group, static_cast<uint64_t>(code));
  }
}

constexpr size_t kMaxFds = 2;

struct Received {
  long size;
  size_t fd_count;
  int fds[kMaxFds];
};

Received Receive(InitRequest* request) {
  Received received{};
  iovec vector{request, sizeof *request};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  received.size = Call(SYS_recvmsg, ssi::kInitSocket, Address(&message), 0);
  if (received.size <= 0 || message.msg_controllen < CMSG_LEN(sizeof(int))) {
    return received;
  }
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  received.fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  const int* fds = reinterpret_cast<const int*>(CMSG_DATA(header));
  for (size_t i = 0; i < received.fd_count && i < kMaxFds; ++i) {
    received.fds[i] = fds[i];
  }
  return received;
}

void Reply(long result, int pid_fd) {
  InitReply reply{result};
  iovec vector{&reply, sizeof reply};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (pid_fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    *reinterpret_cast<int*>(CMSG_DATA(header)) = pid_fd;
  }
  Call(SYS_sendmsg, ssi::kInitSocket, Address(&message), 0);
}

// In the new process: code page and window in place, nothing open but the file
// socket, then into the agent for good.
[[noreturn]] void BecomeAgent(const InitRequest& request, int memory,
                              int socket) {
  constexpr uint64_t kPage = 4096;
  long code =
      Call(SYS_mmap, request.code, kPage, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~uint64_t{0}, 0);
  long window = Call(SYS_mmap, request.window, request.window_size,
                     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
                     static_cast<uint64_t>(memory), 0);
  if (code != static_cast<long>(request.code) ||
      window != static_cast<long>(request.window)) {
    Exit(1);
  }
  auto* to = reinterpret_cast<unsigned char*>(request.code);  // NOLINT
  for (const unsigned char* from = ssi_agent_code; from != ssi_agent_code_end;
       ++from) {
    *to++ = *from;
  }
  Call(SYS_mprotect, request.code, kPage, PROT_READ | PROT_EXEC);
  Call(SYS_dup3, static_cast<uint64_t>(socket), ssi::kFileSocket, 0);
  Call(SYS_close_range, ssi::kFileSocket + 1, ~0U, 0);
  __asm__ volatile(
      "mov %0, %%rbx\n\t"
      "xor %%esp, %%esp\n\t"
      "jmp *%1"
      :
      : "r"(request.window), "r"(request.code)
      : "rbx", "memory");
  __builtin_unreachable();
}

void Spawn(const InitRequest& request, const Received& received) {
  if (received.fd_count != 2) {
    Reply(-22, -1);  // EINVAL
    return;
  }
  int pid_fd = -1;
  int32_t wanted = request.pid;
  clone_args args{};
  args.flags = CLONE_PIDFD;
  args.pidfd = Address(&pid_fd);
  args.set_tid = Address(&wanted);
  args.set_tid_size = 1;
  long made = Call(SYS_clone3, Address(&args), sizeof args);
  if (made == 0) {
    BecomeAgent(request, received.fds[0], received.fds[1]);
  }
  Reply(made < 0 ? made : 0, made < 0 ? -1 : pid_fd);
  if (made > 0) {
    Call(SYS_close, static_cast<uint64_t>(pid_fd));
  }
  for (int fd : received.fds) {
    Call(SYS_close, static_cast<uint64_t>(fd));
  }
}

[[noreturn]] void Serve() {
  // The kernel reaps children whose parent ignores SIGCHLD, so that a pid is
  // free again as soon as the tracer has let it go.
  struct {
    uint64_t handler, flags, restorer, mask;
  } ignore = {1, 0, 0, 0};
  constexpr uint64_t kSigchld = 17;
  Call(SYS_rt_sigaction, kSigchld, Address(&ignore), 0, 8);
  for (;;) {
    InitRequest request{};
    Received received = Receive(&request);
    if (received.size == -4) {  // EINTR
      continue;
    }
    if (received.size != sizeof request) {
      constexpr uint64_t kSigkill = 9;
      Call(SYS_kill, ~uint64_t{0}, kSigkill);  // -1: all but itself
      Exit(0);
    }
    if (request.command == InitCommand::kSpawn) {
      Spawn(request, received);
    } else if (request.command == InitCommand::kNewTime) {
      constexpr uint64_t kNewTimeNamespace = 0x80;
      Reply(Call(SYS_unshare, kNewTimeNamespace), -1);
    } else {
      Reply(0, -1);  // kHold: the descriptors simply stay open
    }
  }
}

}  // namespace

extern "C" {
// The compiler may call these for what it makes of struct copies.
void* memcpy(void* to, const void* from, size_t size) {  // NOLINT
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  for (size_t i = 0; i < size; ++i) {
    out[i] = in[i];
  }
  return to;
}
void* memset(void* to, int value, size_t size) {  // NOLINT
  auto* out = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < size; ++i) {
    out[i] = static_cast<unsigned char>(value);
  }
  return to;
}

[[noreturn]] void SandboxInitMain() {
  Serve();
}
}

// The kernel enters with rsp aligned to 16; a call makes the usual frame.
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "call SandboxInitMain\n");
