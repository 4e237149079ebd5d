// The filter in a real kernel: a child under it, with its listener in this
// process. Nothing traces the child, so RET_TRACE shows as ENOSYS.
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "supervisor/filter.h"
#include "unit/supervisor/round_trip.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace ssi::supervisor {
namespace {

constexpr std::uint64_t kOwnPage = 0x3000'1234'5000;
constexpr std::uint64_t kOtherPage = 0x3000'1234'7000;
// syscall; ret, with the sixth argument moved to where the kernel wants it:
// long f(nr, a, b, c, d, e, f).
constexpr unsigned char kSyscallCode[] = {
    0x48, 0x89, 0xf8,              // mov rax, rdi
    0x48, 0x89, 0xf7,              // mov rdi, rsi
    0x48, 0x89, 0xd6,              // mov rsi, rdx
    0x48, 0x89, 0xca,              // mov rdx, rcx
    0x4d, 0x89, 0xc2,              // mov r10, r8
    0x4d, 0x89, 0xc8,              // mov r8, r9
    0x4c, 0x8b, 0x4c, 0x24, 0x08,  // mov r9, [rsp+8]
    0x0f, 0x05,                    // syscall
    0xc3,                          // ret
};
using RawSyscall = long (*)(long, long, long, long, long, long, long);
constexpr std::int64_t kAnswer = 4242;

// One call that the child makes, and what it saw.
struct Attempt {
  std::uint64_t page = kOtherPage;
  int nr = 0;
  CallArgs args{};
  std::int64_t result = 0;
};

// Shared with the child; futex words, because nearly every other call of the
// child is under the filter.
struct Board {
  std::atomic<std::uint32_t> step;  // 1: listener is there, 2: go, 3: done
  std::atomic<int> listener;
  std::uint32_t count;
  std::array<Attempt, 4096> attempts;
};

void Set(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.store(value);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}
void WaitFor(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  for (std::uint32_t now = word.load(); now != value; now = word.load()) {
    // Without a time limit: that would be notified.
    ::syscall(SYS_futex, &word, FUTEX_WAIT, now, nullptr, nullptr, 0);
  }
}

bool MapCode(std::uint64_t at) {
  void* page = ::mmap(reinterpret_cast<void*>(at), 4096,
                      PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page == MAP_FAILED) {
    return false;
  }
  std::memcpy(page, kSyscallCode, sizeof(kSyscallCode));
  return true;
}

[[noreturn]] void Child(Board& board, const FilterProgram& program) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sock_fprog filter{static_cast<unsigned short>(program.size()),
                    const_cast<sock_filter*>(program.data())};
  bool ready = MapCode(kOwnPage) && MapCode(kOtherPage) &&
               ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  long fd = ready ? ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_NEW_LISTENER |
                                  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                              &filter)
                  : -1;
  board.listener.store(static_cast<int>(fd));
  Set(board.step, 1);
  WaitFor(board.step, 2);
  for (std::uint32_t i = 0; i < board.count; ++i) {
    Attempt& a = board.attempts[i];
    auto call = reinterpret_cast<RawSyscall>(a.page);
    a.result =
        call(a.nr, static_cast<long>(a.args[0]), static_cast<long>(a.args[1]),
             static_cast<long>(a.args[2]), static_cast<long>(a.args[3]),
             static_cast<long>(a.args[4]), static_cast<long>(a.args[5]));
  }
  Set(board.step, 3);
  for (;;) {  // exit_group is a call of life: ENOSYS without a tracer
    ::syscall(SYS_sched_yield);
    WaitFor(board.step, 4);
  }
}

class Guest {
 public:
  Guest() : program_(BuildFilter(RemoteAddr{kOwnPage}).value()) {
    board_ = static_cast<Board*>(::mmap(nullptr, sizeof(Board),
                                        PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_ = ::fork();
    if (pid_ == 0) {
      Child(*board_, program_);
    }
    WaitFor(board_->step, 1);
    if (board_->listener.load() >= 0) {
      UniqueFd pid_fd = PidFdOpen(pid_).value();
      listener_ = PidFdGetFd(pid_fd.get(), board_->listener.load()).value();
    }
  }
  ~Guest() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(board_, sizeof(Board));
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  void Add(int nr, const CallArgs& args = {}, std::uint64_t page = kOtherPage) {
    board_->attempts.at(board_->count++) = {page, nr, args, 0};
  }

  // Lets the child make its calls and answers each notification with kAnswer.
  void Run() {
    REQUIRE(listener_.valid());
    Set(board_->step, 2);
    while (board_->step.load() != 3) {
      pollfd ready{listener_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 10) == 1 && (ready.revents & POLLIN) != 0) {
        Answer();
      }
    }
  }

  [[nodiscard]] const Attempt& operator[](std::size_t i) const {
    return board_->attempts.at(i);
  }
  [[nodiscard]] std::size_t size() const { return board_->count; }

  std::map<int, int> notified;  // times, by number

 private:
  void Answer() {
    seccomp_notif notification{};
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification)) {
      return;
    }
    ++notified[notification.data.nr];
    seccomp_notif_resp response{};
    response.id = notification.id;
    response.val = kAnswer;
    REQUIRE(::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) == 0);
  }

  FilterProgram program_;
  Board* board_ = nullptr;
  pid_t pid_ = -1;
  UniqueFd listener_;
};

TEST_CASE("the kernel does what the table says", "[filter]") {
  Guest guest;
  guest.Add(SYS_getpid);
  guest.Add(SYS_getppid);
  guest.Add(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
                       ~std::uint64_t{0}, 0});
  guest.Add(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 0, 0});
  guest.Add(SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS,
                       ~std::uint64_t{0}, 0});
  guest.Add(SYS_rt_sigprocmask, {0, 0, 0, 8});
  guest.Add(SYS_rt_sigprocmask, {0, 4096, 0, 8});
  guest.Add(SYS_madvise, {0, 0, MADV_DONTNEED});
  guest.Add(SYS_madvise, {0, 0, MADV_HWPOISON});
  guest.Add(SYS_ioctl, {0, TCGETS, 0});
  guest.Add(SYS_ioctl, {0, 0x1234, 0});
  guest.Add(SYS_socket, {1, 1, 0});
  guest.Add(SYS_exit_group, {0});
  guest.Run();
  std::vector<std::int64_t> results;
  for (std::size_t i = 0; i < guest.size(); ++i) {
    results.push_back(guest[i].result);
  }
  CHECK(results[0] > 1);
  CHECK(results[1] == kAnswer);
  CHECK(results[2] > 4096);
  CHECK(results[3] == kAnswer);
  CHECK(results[4] == -ENOSYS);
  CHECK(results[5] == 0);
  CHECK(results[6] == kAnswer);
  CHECK(results[7] == 0);
  CHECK(results[8] == -ENOSYS);
  CHECK(results[9] == kAnswer);
  CHECK(results[10] == -ENOSYS);
  CHECK(results[11] == -ENOSYS);
  CHECK(results[12] == -ENOSYS);
  CHECK(guest.notified.size() == 4);
}

// Local calls without rules are left out: made with these arguments some would
// stop the child (rt_sigreturn is told, brk and munmap are harmless).
TEST_CASE("no call that is not local runs in the guest", "[filter]") {
  Guest guest;
  std::vector<std::int64_t> expected;
  int notified = 0;
  for (int nr = 0; nr < 500; ++nr) {
    CallArgs args{};
    args.fill(~std::uint64_t{0});
    CallClass call_class = ClassOf(nr, args);
    if (ActionOf(call_class) == SECCOMP_RET_ALLOW) {
      continue;
    }
    bool notify = ActionOf(call_class) == SECCOMP_RET_USER_NOTIF;
    guest.Add(nr, args);
    expected.push_back(notify ? kAnswer : -ENOSYS);
    guest.Add(nr, args, kOwnPage);
    expected.push_back(-ENOSYS);
    guest.Add(nr | 0x40000000, args);
    expected.push_back(-ENOSYS);
    notified += notify ? 1 : 0;
  }
  guest.Run();
  for (std::size_t i = 0; i < guest.size(); ++i) {
    INFO("call " << guest[i].nr << " from page " << std::hex << guest[i].page);
    CHECK(guest[i].result == expected[i]);
  }
  CHECK(static_cast<int>(guest.notified.size()) == notified);
  CHECK(notified > 150);
}

TEST_CASE("local calls pass from everywhere", "[filter]") {
  Guest guest;
  guest.Add(SYS_getpid, {}, kOwnPage);
  guest.Add(SYS_sched_yield, {}, kOwnPage);
  guest.Run();
  CHECK(guest[0].result > 1);
  CHECK(guest[1].result == 0);
  CHECK(guest.notified.empty());
}

}  // namespace
}  // namespace ssi::supervisor
