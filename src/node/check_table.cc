#include "node/check_table.h"

#include <algorithm>
#include <array>

#include "node/check_probes.h"
#include "node/hindrances.h"

namespace ssi {

namespace {

using enum Need;

// What is required here is what the program cannot do without today, also
// where design section 13 has a plan for doing without it: such a row becomes
// kOptional together with the code that makes it so, and its advice then tells
// the consequence.

// ---- the sandbox of guests --------------------------------------------------

constexpr std::array kSandboxRows = {
    CheckRow{"user_namespace", "user namespaces",
             "guests need no privilege here", kForGuests, "",
             kHindersNamespaces, probes::UserNamespace,
             "This node takes no guests. Let users make user namespaces; in a "
             "container, a chroot or a batch job ask whoever set it up."},
    CheckRow{"namespaces", "pid, mount, net, ipc, uts namespaces",
             "a guest sees nothing of this node", kForGuests, "user_namespace",
             kHindersNamespaces, probes::Namespaces,
             "This node takes no guests. Raise user.max_*_namespaces where "
             "the error is ENOSPC; use a kernel that has them where it is "
             "EINVAL."},
    CheckRow{"mount", "mounts inside a user namespace",
             "guests get an empty root", kForGuests, "namespaces",
             kHindersNamespaces, probes::Mount,
             "This node takes no guests. A security module or a container "
             "refuses capabilities inside user namespaces: allow them for "
             "ssid and ssictl."},
    CheckRow{"exec_memfd", "execution of a file in memory",
             "a sandbox's first process", kForGuests, "", kHindersMemoryFiles,
             probes::ExecutedMemory,
             "This node takes no guests. Allow memfds that can be executed "
             "(memfd_create with MFD_EXEC)."},
    CheckRow{"sandbox", "a whole sandbox", "the place where guests live",
             kForGuests, "mount", kHindersNamespaces | kHindersMemoryFiles,
             probes::WholeSandbox,
             "This node takes no guests. The step that failed is named."},
    CheckRow{"set_tid", "a chosen process id (set_tid)",
             "a guest keeps its pid", kForGuests, "sandbox", kHindersNamespaces,
             probes::ChosenPid,
             "This node takes no guests. Use Linux 5.9 or newer built with "
             "CONFIG_CHECKPOINT_RESTORE."},
    CheckRow{"time_namespace", "clock offsets (time namespaces)",
             "a guest's clocks go on from home's", kForGuests, "set_tid",
             kHindersNamespaces, probes::TimeNamespace,
             "This node takes no guests. Use a kernel built with "
             "CONFIG_TIME_NS."},
    CheckRow{"trace_inside", "tracing into a sandbox",
             "the guest supervisor works from outside", kForGuests, "set_tid",
             kHindersTracing, probes::TraceInside,
             "This node takes no guests. Allow ptrace of own processes below "
             "the tracer."}};

// ---- work on a process from outside -----------------------------------------

constexpr std::array kTraceRows = {
    CheckRow{"trace_child", "ptrace of an own child",
             "a process is stopped to be moved", kRequired, "", kHindersTracing,
             probes::TraceChild,
             "Nothing can move. Allow ptrace of own children."},
    CheckRow{"trace_other", "ptrace of processes that are no child",
             "debuggers; ssi does without", kOptional, "trace_child",
             kHindersTracing | kHindersStrangers, probes::TraceStranger,
             "Nothing is lost: ssi moves only processes below its own ssirun. "
             "Debuggers cannot attach to them from elsewhere."},
    CheckRow{"signal_mask", "setting another's signal mask",
             "no signal disturbs an injected call", kRequired, "trace_child",
             kHindersTracing, probes::SignalMask,
             "Nothing can move. Use Linux 5.14 or newer."},
    CheckRow{"extended_state", "vector registers (XSAVE)", "they travel along",
             kRequired, "trace_child", kHindersTracing, probes::ExtendedState,
             "Nothing can move. Use a machine and a kernel with XSAVE (no "
             "noxsave at boot)."},
    CheckRow{"rseq", "finding restartable sequences",
             "the C library's area travels along", kRequired, "trace_child",
             kHindersTracing, probes::RestartableSequences,
             "Processes with glibc 2.35 or newer crash when they move. Use "
             "Linux 5.13 or newer."},
    CheckRow{"injection", "a system call in another's name",
             "the agent is planted this way", kRequired, "trace_child",
             kHindersTracing, probes::InjectedCall,
             "Nothing can move. Use a kernel with a vdso (no vdso=0 at boot)."},
    CheckRow{"process_memory", "another's memory, read and written",
             "images and buffers of calls", kRequired, "", kHindersTracing,
             probes::ForeignMemory,
             "Nothing can move. Use a kernel built with "
             "CONFIG_CROSS_MEMORY_ATTACH and allow process_vm_readv."},
    CheckRow{"code_write", "writing another's read-only pages",
             "the agent's code is never writable", kRequired, "trace_child",
             kHindersTracing | kHindersCodeWrites, probes::CodeWrite,
             "Nothing can move. Use a kernel that lets a tracer write through "
             "/proc/PID/mem (CONFIG_PROC_MEM_ALWAYS_FORCE or _FORCE_PTRACE)."},
    CheckRow{"pidfd_getfd", "taking another's descriptor",
             "windows and listeners are shared", kRequired, "", kHindersTracing,
             probes::ForeignDescriptor,
             "Nothing can move. Use Linux 5.6 or newer and allow pidfd_open "
             "and pidfd_getfd."},
    CheckRow{"proc_fd", "descriptors by name in /proc",
             "mapped files come home with a process", kRequired, "",
             kNoHindrance, probes::DescriptorPath,
             "A process that moved cannot come home. Mount /proc so that "
             "users see their own processes in it."}};

// ---- memory -----------------------------------------------------------------

constexpr std::array kMemoryRows = {
    CheckRow{"pagemap", "page tables (/proc/PID/pagemap)",
             "only pages with contents are sent", kRequired, "", kNoHindrance,
             probes::PageTable,
             "Nothing can move. Use a kernel built with "
             "CONFIG_PROC_PAGE_MONITOR."},
    CheckRow{"pagemap_scan", "PAGEMAP_SCAN (Linux 6.7)",
             "finding those pages fast", kOptional, "pagemap", kNoHindrance,
             probes::PageTableScan,
             "Page tables are read page by page: about 25 ms more for each "
             "GiB while a process is stopped. Use Linux 6.7 or newer."},
    CheckRow{"wp_async", "tracking of written pages (Linux 6.7)",
             "sending before the stop (later)", kOptional, "pagemap_scan",
             kNoHindrance, probes::DirtyTracking,
             "A process is stopped while all its memory is sent. Use Linux "
             "6.7 or newer and allow userfaultfd."},
    CheckRow{"mm_map", "setting the memory layout (PR_SET_MM_MAP)",
             "heap and arguments as at home", kRequired, "", kNoHindrance,
             probes::MemoryLayout,
             "Nothing can move. Use a kernel built with "
             "CONFIG_CHECKPOINT_RESTORE."},
    CheckRow{"vdso_move", "moving the vdso", "fast clocks where home has them",
             kForGuests, "", kNoHindrance, probes::MovedVdso,
             "This node takes no guests. Use a kernel built without "
             "CONFIG_MSEAL_SYSTEM_MAPPINGS."}};

// ---- trapped calls ----------------------------------------------------------

constexpr std::array kFilterRows = {
    CheckRow{"seccomp_notify", "seccomp notifications",
             "calls of guests are answered by home", kForGuests, "",
             kHindersFilters, probes::NotifiedCall,
             "This node takes no guests. Use a kernel built with "
             "CONFIG_SECCOMP_FILTER."},
    CheckRow{"seccomp_continue", "letting a notified call go on",
             "calls that are local, but told home", kForGuests,
             "seccomp_notify", kHindersFilters, probes::ContinuedCall,
             "This node takes no guests. Use Linux 5.5 or newer."},
    CheckRow{"seccomp_addfd", "giving a caller a descriptor",
             "files are mapped and opened for guests", kForGuests,
             "seccomp_notify", kHindersFilters, probes::GivenDescriptor,
             "This node takes no guests. Use Linux 5.9 or newer."},
    CheckRow{"wait_killable", "notified calls that signals do not break",
             "one stop less for each signal", kOptional, "seccomp_notify",
             kHindersFilters, probes::KillableWait,
             "A signal for a guest that waits in a call costs two more stops. "
             "Use Linux 5.19 or newer."},
    CheckRow{"seccomp_trace", "seccomp stops for a tracer",
             "calls that bring a process home", kForGuests, "trace_child",
             kHindersFilters | kHindersTracing, probes::TracedCall,
             "This node takes no guests. Allow ptrace and seccomp filters."},
    CheckRow{"guest_filter", "the filter of guests",
             "nothing runs here that belongs to home", kForGuests,
             "seccomp_notify", kHindersFilters, probes::GuestFilter,
             "This node takes no guests. Is libseccomp 2.5 or newer "
             "installed?"}};

// ---- processes and sockets --------------------------------------------------

constexpr std::array kFamilyRows = {
    CheckRow{"subreaper", "adoption of orphans (subreaper)",
             "no process of a job gets lost", kRequired, "", kNoHindrance,
             probes::Subreaper, "Jobs cannot be kept together. Use Linux."},
    CheckRow{"children_file", "lists of children in /proc",
             "no process of a job gets lost", kRequired, "", kNoHindrance,
             probes::ChildrenFile,
             "Jobs cannot be kept together. Use a kernel built with "
             "CONFIG_PROC_CHILDREN, with /proc mounted."},
    CheckRow{"futex_waitv", "waiting for many futexes (Linux 5.16)",
             "many calls at home at once", kOptional, "", kNoHindrance,
             probes::ManyFutexes,
             "Each ssirun keeps a CPU busy with looking. Use Linux 5.16 or "
             "newer."},
    CheckRow{"unix_sockets", "descriptors through Unix sockets",
             "daemons and supervisors share files", kRequired, "", kNoHindrance,
             probes::PassedDescriptor,
             "Nothing works without it. Allow AF_UNIX sockets."},
    CheckRow{"tls", "TLS 1.3 with a shared key (OpenSSL)",
             "all that nodes say to each other", kRequired, "", kNoHindrance,
             probes::SharedKeyTls,
             "Nodes cannot talk. Use OpenSSL 3.0 or newer whose "
             "configuration allows TLS 1.3, AES-128-GCM and X25519."}};

// ---- the machine ------------------------------------------------------------

constexpr std::array kMachineRows = {
    CheckRow{"memory", "memory for files in memory", "images and windows",
             kRequired, "", kNoHindrance, probes::Memory,
             "Guests will be refused or killed for want of memory. Give this "
             "machine or control group 256 MiB or more."},
    CheckRow{"open_files", "open files (RLIMIT_NOFILE)",
             "supervisors of many processes", kRequired, "", kNoHindrance,
             probes::OpenFiles,
             "Jobs of many processes may fail to move. Raise it: ulimit -n "
             "1024, or LimitNOFILE= of the service."},
    CheckRow{"processes", "more processes (RLIMIT_NPROC, pids.max)",
             "supervisors and guests", kRequired, "", kNoHindrance,
             probes::Processes,
             "Moves fail for want of processes. Raise it: ulimit -u, "
             "TasksMax= of the service or slice."},
    CheckRow{"clock_source", "clocks without a system call",
             "programs that look at them often", kOptional, "", kNoHindrance,
             probes::ClockSource,
             "Nothing is wrong, but each look at a clock is slow, at home and "
             "away. A clock source such as tsc is not available or was judged "
             "unstable: see the kernel's log."},
    CheckRow{"kernel", "Linux 6.7 or newer", "what the lines above rest on",
             kOptional, "", kNoHindrance, probes::KernelVersion,
             "What counts is the lines above; this one alone stops nothing. "
             "Prefer Linux 6.7 or newer."}};

template <std::size_t... Sizes>
constexpr auto Join(const std::array<CheckRow, Sizes>&... parts) {
  std::array<CheckRow, (Sizes + ...)> all{};
  auto* to = all.data();
  ((to = std::copy(parts.begin(), parts.end(), to)), ...);
  return all;
}

constexpr auto kRows = Join(kSandboxRows, kTraceRows, kMemoryRows, kFilterRows,
                            kFamilyRows, kMachineRows);

}  // namespace

std::span<const CheckRow> CheckTable() {
  return kRows;
}

}  // namespace ssi
