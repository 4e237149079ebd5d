#include "deputy/movable.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "base/files.h"
#include "base/unique_fd.h"
#include "process/status_text.h"
#include "process/threads.h"

namespace ssi {

namespace {

bool HasEnded(std::string_view status) {
  auto state = StatusField(status, "State");
  return state.starts_with('Z') || state.starts_with('X');
}

// Of one thread.
std::optional<std::string> WhyStatusForbids(HostPid thread,
                                            std::string_view status,
                                            const Baseline& baseline,
                                            bool traced_by_us) {
  if (StatusField(status, "State").starts_with('T')) {
    return "it is stopped";
  }
  auto tracer = StatusNumber(status, "TracerPid").value_or(0);
  if (tracer != 0 && !traced_by_us) {
    return fmt::format("process {} traces it", tracer);
  }
  auto filters = StatusNumber(status, "Seccomp_filters").value_or(0);
  if (filters > baseline.seccomp_filters) {
    return "it has a seccomp filter of its own";
  }
  if (StatusNumber(status, "Seccomp") == 1) {
    return "it is in strict seccomp mode";
  }
  // Real, effective and saved ids in one line.
  for (std::string_view name : {"Uid", "Gid"}) {
    auto ids = StatusField(status, name);
    auto first = ids.substr(0, ids.find('\t'));
    for (std::size_t i = 0; i < 3 && !ids.empty(); ++i) {
      auto end = std::min(ids.find('\t'), ids.size());
      if (ids.substr(0, end) != first) {
        return "it runs set-uid or set-gid";
      }
      ids.remove_prefix(std::min(end + 1, ids.size()));
    }
  }
  int policy = ::sched_getscheduler(Raw(thread));
  if (policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE) {
    return "it has a real-time scheduling policy";
  }
  return std::nullopt;
}

// 1: 32-bit (EI_CLASS of the ELF header).
bool Is32Bit(HostPid pid) {
  auto exe = Open(fmt::format("/proc/{}/exe", Raw(pid)), O_RDONLY);
  std::array<unsigned char, 5> head{};
  constexpr unsigned char kClass32 = 1;
  return exe &&
         ::pread(exe->get(), head.data(), head.size(), 0) ==
             static_cast<ssize_t>(head.size()) &&
         head[4] == kClass32;
}

std::optional<std::string> WhyDescriptorsForbid(HostPid pid) {
  std::string path = fmt::format("/proc/{}/fd", Raw(pid));
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), &::closedir);
  if (!dir) {
    return fmt::format("it cannot be looked into ({})", path);
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    std::array<char, 64> target{};
    ssize_t n = ::readlinkat(::dirfd(dir.get()), entry->d_name, target.data(),
                             target.size() - 1);
    std::string_view name(target.data(),
                          n > 0 ? static_cast<std::size_t>(n) : 0);
    if (name == "anon_inode:[io_uring]") {
      return "it has an io_uring open";
    }
    if (name == "anon_inode:[userfaultfd]") {
      return "it has a userfaultfd open";
    }
  }
  return std::nullopt;
}

}  // namespace

Baseline BaselineOfThisProcess() {
  Baseline baseline;
  if (auto status = ReadFile("/proc/self/status")) {
    baseline.seccomp_filters = static_cast<unsigned>(
        StatusNumber(*status, "Seccomp_filters").value_or(0));
  }
  return baseline;
}

std::optional<std::string> WhyNotMovable(HostPid pid, const Baseline& baseline,
                                         bool traced_by_us) {
  bool any = false;
  auto threads = ThreadsOf(pid);
  for (HostPid thread : threads.value_or(std::vector<HostPid>())) {
    auto status = ReadFile(fmt::format("/proc/{}/status", Raw(thread)));
    if (!status || HasEnded(*status)) {
      continue;
    }
    any = true;
    if (auto why = WhyStatusForbids(thread, *status, baseline, traced_by_us)) {
      return why;
    }
  }
  if (!any) {
    return "it has ended";
  }
  // The files of a first thread that has exited tell nothing, and are root's.
  HostPid living = LivingThread(pid);
  if (Is32Bit(living)) {
    return "it is a 32-bit program";
  }
  // /proc/PID then belongs to root (proc(5)), who may look all the same.
  // The files below /proc/PID are root's then, the directory itself is not
  // (fs/proc/base.c, task_dump_owner).
  struct stat info {};
  if (::stat(fmt::format("/proc/{}/environ", Raw(living)).c_str(), &info) ==
          0 &&
      info.st_uid != ::geteuid()) {
    return "it is not dumpable, so its memory is closed to ssi "
           "(PR_SET_DUMPABLE, or a program that cannot be read)";
  }
  return WhyDescriptorsForbid(living);
}

std::optional<std::string> WhyAreasForbid(const std::vector<Vma>& vmas) {
  for (const auto& vma : vmas) {
    bool kernels = vma.kind == Vma::Kind::kVvar ||
                   vma.kind == Vma::Kind::kVdso ||
                   vma.kind == Vma::Kind::kVsyscall;
    if (kernels) {
      continue;
    }
    if (vma.Has(kVmaHugeTlb)) {
      return "it uses hugetlb pages";
    }
    if (vma.name.starts_with("/[aio]")) {
      return "it has an AIO ring";
    }
    if (vma.name.starts_with("/secretmem")) {
      return "it has secret memory (memfd_secret)";
    }
    if (vma.Has(kVmaDevice)) {
      return fmt::format("it maps a device ({})", vma.name);
    }
    if (vma.Has(kVmaUserfault)) {
      return "it uses a userfaultfd";
    }
    if (vma.Has(kVmaShadowStack)) {
      return "it has a shadow stack";
    }
    if (vma.kind == Vma::Kind::kShared && vma.Has(kVmaMayWrite)) {
      return fmt::format("it has a shared writable mapping ({})",
                         vma.name.empty() ? "anonymous" : vma.name);
    }
  }
  return std::nullopt;
}

}  // namespace ssi
