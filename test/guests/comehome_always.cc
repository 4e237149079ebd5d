// Calls that will always run at home: rings, tracing, name spaces, mounts and
// the like. Most are made so that they fail, or only ask; a few do something
// and undo it. Argument: SECONDS.
// Left out because they would do harm if they worked: kexec_load,
// kexec_file_load, init_module with a module, quotactl.
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include <atomic>

#include "guest.h"

namespace {

constexpr std::size_t kPage = 4096;

// A call of which root and others are told different things, and that a
// kernel or a container may not have at all.
void IsRefused(long result, int as_root, int as_user) {
  SSI_EQ(result, -1);
  SSI_TRUE(errno == EPERM || errno == ENOSYS ||
           errno == (geteuid() == 0 ? as_root : as_user));
}

template <typename T>
T* At(void* base, std::uint32_t offset) {
  return reinterpret_cast<T*>(static_cast<unsigned char*>(base) + offset);
}

// One "no operation" through a ring, by hand.
void Ring() {
  io_uring_params params{};
  const long fd = syscall(SYS_io_uring_setup, 4, &params);
  if (fd == -1) {
    guest::skip_reason = "no io_uring here";
    return;
  }
  const std::size_t size =
      params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  const int ring_fd = static_cast<int>(fd);
  void* ring = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, ring_fd, IORING_OFF_SQ_RING);
  void* entries = mmap(nullptr, params.sq_entries * sizeof(io_uring_sqe),
                       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       ring_fd, IORING_OFF_SQES);
  SSI_TRUE(ring != MAP_FAILED && entries != MAP_FAILED);
  auto* entry = static_cast<io_uring_sqe*>(entries);
  memset(entry, 0, sizeof *entry);
  entry->opcode = IORING_OP_NOP;
  entry->user_data = 4711;
  *At<unsigned>(ring, params.sq_off.array) = 0;
  At<std::atomic<unsigned>>(ring, params.sq_off.tail)->store(1);
  SSI_EQ(
      syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0),
      1);
  SSI_EQ(At<std::atomic<unsigned>>(ring, params.cq_off.tail)->load(), 1);
  SSI_EQ(At<io_uring_cqe>(ring, params.cq_off.cqes)->user_data, 4711);
  guest::Compute(2);
  SSI_OK(munmap(entries, params.sq_entries * sizeof(io_uring_sqe)));
  SSI_OK(munmap(ring, size));
  SSI_OK(close(ring_fd));
}

// A page that is filled before it is touched.
void Faults() {
  const long fd = syscall(SYS_userfaultfd, 1);  // UFFD_USER_MODE_ONLY
  if (fd == -1) {
    guest::skip_reason = "no userfaultfd here";
    return;
  }
  uffdio_api api{};
  api.api = UFFD_API;
  SSI_OK(ioctl(static_cast<int>(fd), UFFDIO_API, &api));
  void* area = mmap(nullptr, kPage, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uffdio_register range{};
  range.range = {reinterpret_cast<std::uint64_t>(area), kPage};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  SSI_OK(ioctl(static_cast<int>(fd), UFFDIO_REGISTER, &range));
  alignas(kPage) static unsigned char bytes[kPage];
  guest::Fill(bytes, kPage, 1);
  uffdio_copy copy{};
  copy.dst = range.range.start;
  copy.src = reinterpret_cast<std::uint64_t>(bytes);
  copy.len = kPage;
  SSI_OK(ioctl(static_cast<int>(fd), UFFDIO_COPY, &copy));
  guest::Compute(2);
  SSI_TRUE(guest::Holds(area, kPage, 1));
  SSI_OK(munmap(area, kPage));
  SSI_OK(close(static_cast<int>(fd)));
}

void Asking() {
  const unsigned action = SECCOMP_RET_ALLOW;
  SSI_OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0,
                               LANDLOCK_CREATE_RULESET_VERSION);
  SSI_TRUE(version > 0 || errno == EOPNOTSUPP || errno == ENOSYS);
  guest::Compute(1);
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.exclude_kernel = 1;
  const long counter = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
  if (counter >= 0) {
    guest::Compute(2);
    std::uint64_t value = 0;
    SSI_EQ(read(static_cast<int>(counter), &value, 8), 8);
    SSI_TRUE(value > 0);
    SSI_OK(close(static_cast<int>(counter)));
  }
}

void Refused() {
  SSI_FAILS(syscall(SYS_ptrace, PTRACE_ATTACH, 0x7ffffffe, 0, 0), ESRCH);
  SSI_FAILS(syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr), EFAULT);
  IsRefused(syscall(SYS_umount2, "/no/such/place", 0), ENOENT, ENOENT);
  IsRefused(syscall(SYS_pivot_root, "/no/such", "/place"), ENOENT, ENOENT);
  guest::Compute(1);
  IsRefused(syscall(SYS_swapon, "/no/such/file", 0), ENOENT, EPERM);
  IsRefused(syscall(SYS_swapoff, "/no/such/file"), ENOENT, EPERM);
  IsRefused(syscall(SYS_reboot, 0, 0, 0, nullptr), EINVAL, EPERM);
  IsRefused(syscall(SYS_delete_module, "no_such_module", 0), ENOENT, EPERM);
  IsRefused(syscall(SYS_bpf, 9999, nullptr, 0), EINVAL, EINVAL);
  IsRefused(syscall(SYS_fsopen, "no_such_fs", 0), ENODEV, EPERM);
  guest::Compute(1);
  IsRefused(syscall(SYS_open_tree, -1, "missing", 0), EBADF, EBADF);
  IsRefused(syscall(SYS_move_mount, -1, "a", -1, "b", 0), EBADF, EBADF);
  IsRefused(syscall(SYS_fspick, -1, "missing", 0), EBADF, EPERM);
  IsRefused(syscall(SYS_fsmount, -1, 0, 0), EBADF, EPERM);
  IsRefused(syscall(SYS_fsconfig, -1, 0, 0, 0, 0), EINVAL, EINVAL);
  SSI_FAILS(syscall(SYS_setns, -1, 0), EBADF);
  SSI_FAILS(syscall(SYS_unshare, 1), EINVAL);
  IsRefused(syscall(SYS_iopl, 4), EINVAL, EINVAL);
  IsRefused(syscall(SYS_ioperm, 70'000, 1, 1), EINVAL, EINVAL);
}

void DoneAndUndone() {
  SSI_OK(syscall(SYS_unshare, CLONE_FILES | CLONE_FS));  // alone anyway
  guest::Compute(1);
  sched_param first{1};
  const sched_param none{0};
  if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first) == 0) {
    SSI_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_FIFO);
    SSI_OK(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &none));
  } else {
    SSI_EQ(errno, EPERM);
  }
  SSI_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
  guest::Compute(2);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv),
                    {{"ring", Ring},
                     {"faults", Faults},
                     {"asking", Asking},
                     {"refused", Refused},
                     {"done and undone", DoneAndUndone}});
}
