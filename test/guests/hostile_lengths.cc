// Every forwarded call that takes a length or a count, with lengths from 0 to
// the largest; behind 64 KiB of good memory there is none. Prints a table of
// the results, which must be the same wherever it runs. Argument: SECONDS.
//
// Left out: writes to /dev/null, which natively do not look at the memory.
#include <sys/prctl.h>

#include "hostile_table.h"

namespace {

using hostile::kPage;

constexpr std::size_t kGood = 64 << 10;
constexpr long kStatmount = 457;
constexpr long kListmount = 458;

struct Call {
  long number;
  const char* name;
  // As in hostile_calls.h; further: z is /dev/zero, w a pipe's writer, m the
  // memory with nothing behind it, L the length.
  const char* arguments;
};

constexpr Call kCalls[] = {
    {SYS_read, "read file", "f m L"},
    {SYS_read, "read zeros", "z m L"},
    {SYS_read, "read pipe", "r m L"},
    {SYS_write, "write file", "f m L"},
    {SYS_write, "write pipe", "w m L"},
    {SYS_pread64, "pread64 file", "f m L =10"},
    {SYS_pread64, "pread64 at a length", "f m =100 L"},
    {SYS_pwrite64, "pwrite64 file", "f m L =10"},
    {SYS_readv, "readv count", "f @iov L"},
    {SYS_writev, "writev count", "f @iov L"},
    {SYS_preadv, "preadv count", "f @iov L =0 =0"},
    {SYS_pwritev2, "pwritev2 count", "f @iov L =0 =0 =0"},
    {SYS_preadv2, "preadv2 flags", "f @iov =2 =0 =0 L"},
    {SYS_lseek, "lseek", "f L =0"},
    {SYS_poll, "poll count", "m L =0"},
    {SYS_ppoll, "ppoll count", "m L @time"},
    {SYS_ppoll, "ppoll mask size", "@poll =1 @time @set L"},
    {SYS_select, "select count", "L m m m @time"},
    {SYS_getdents64, "~getdents64", "d m L"},
    {SYS_getdents, "~getdents", "d m L"},
    {SYS_readlink, "readlink", "\"link m L"},
    {SYS_readlinkat, "readlinkat", "d \"link m L"},
    {SYS_getcwd, "~getcwd", "m L"},
    {SYS_openat2, "~openat2 size", "d \"file m L"},
    {SYS_name_to_handle_at, "name_to_handle_at flags", "d \"file @handle m L"},
    {kStatmount, "~statmount size", "@mount m L =0"},
    {kListmount, "~listmount count", "@mounts m L =0"},
    {468, "~file_getattr size", "d \"file m L =0"},
    {SYS_getgroups, "~getgroups", "L m"},
    {SYS_sched_setaffinity, "sched_setaffinity", "=0 L @cpus"},
    {SYS_sched_getaffinity, "~sched_getaffinity", "=0 L m"},
    {SYS_sched_getattr, "sched_getattr", "=0 m L =0"},
    {SYS_getrandom, "~getrandom", "m L =0"},
    {SYS_rt_sigaction, "rt_sigaction size", "=12 =0 m L"},
    {SYS_rt_sigprocmask, "rt_sigprocmask size", "=0 @set m L"},
    {SYS_rt_sigpending, "rt_sigpending size", "m L"},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait size", "@set m @time L"},
    {SYS_rt_sigsuspend, "rt_sigsuspend size", "@none L"},
    {SYS_memfd_create, "~memfd_create flags", "\"name L"},
    {SYS_ftruncate, "ftruncate", "f L"},
    {SYS_truncate, "truncate", "\"file L"},
    {SYS_fallocate, "fallocate keep", "f =1 =0 L"},
    {SYS_readahead, "readahead", "f =0 L"},
    {SYS_fadvise64, "fadvise64", "f =0 L =0"},
    {SYS_sync_file_range, "sync_file_range", "f =0 L =0"},
    {SYS_fcntl, "~fcntl F_DUPFD", "f =0 L"},
    {SYS_fcntl, "fcntl F_SETSIG", "r =10 L"},
    {SYS_dup2, "dup2", "f L"},
    {SYS_dup3, "dup3 flags", "f =60 L"},
    {SYS_pipe2, "pipe2 flags", "m L"},
    {SYS_prctl, "prctl PR_SET_PDEATHSIG", "=1 L"},
    {SYS_getrlimit, "getrlimit", "L m"},
    {SYS_getrusage, "getrusage", "L m"},
    {SYS_clock_gettime, "clock_gettime", "L m"},
    {SYS_clock_getres, "clock_getres", "L m"},
    {SYS_waitid, "waitid options", "=0 =0 m L m"},
    {SYS_wait4, "wait4 options", "=-1 m L m"},
    {SYS_statx, "statx flags", "d \"file L =0x7ff m"},
    {SYS_statx, "statx mask", "d \"file =0 L m"},
    {SYS_kill, "kill signal", "@pid L"},
    {SYS_getpriority, "~getpriority", "L =0"},
    {SYS_capget, "capget head", "m m"},
};

constexpr unsigned long kLengths[] = {
    0,          1,          8,          100,         4095,
    65535,      65536,      65537,      0x100000,    0x7fffefff,
    0x7ffff000, 0x7fffffff, 0x80000000, 0xffffffff,  0x100000000,
    1UL << 46,  1UL << 62,  1UL << 63,  ~0UL - 4095, ~0UL};

using hostile::state;
unsigned char* memory = nullptr;  // kGood bytes, nothing behind them

// SIGUSR1 by number is 10, and all that kill may send to itself is blocked or
// harmless: of the lengths only 0, 1 and 8 are signals. 8 is SIGFPE.
bool IsExcluded(const Call& call, unsigned long length) {
  if (call.number == SYS_kill) {
    return (length & 0xffffffff) == 1 || (length & 0xffffffff) == 8;
  }
  if (call.number == SYS_dup2) {  // over descriptors that are in use
    return (length & 0xffffffff) < 20;
  }
  // By pid -4096, the CPU clock of process 511 (clockid_t is -8 * pid - 8 + n).
  if ((call.number == SYS_clock_gettime || call.number == SYS_clock_getres) &&
      length == ~0UL - 4095) {
    return true;
  }
  // What docs/semantics.md says of these two: a buffer above 256 KiB, and more
  // than 65536 mounts.
  if ((call.number == kStatmount || call.number == kListmount) &&
      length > 65536) {
    return true;
  }
  // In bits it is 0 to the kernel, which counts them in 32 bits.
  if (call.number == SYS_sched_getaffinity && length == 0x80000000) {
    return true;
  }
  // A file of 2^62 bytes depends on the file system, as does the time it takes
  // to make.
  const bool is_size = call.number == SYS_ftruncate ||
                       call.number == SYS_truncate ||
                       call.number == SYS_fallocate;
  return is_size && length > 0x100000 && length < 1UL << 63;
}

long Argument(const Call& call, const std::string& word, std::size_t at,
              unsigned long length) {
  static unsigned char structures[6][4096];
  int ends[2];
  switch (word[0]) {
    case 'z':
      return SSI_OK(open("/dev/zero", O_RDONLY));
    case 'w':
      SSI_OK(pipe2(ends, O_NONBLOCK));
      return ends[1];
    case 'm':
      memset(memory,
             call.number == SYS_poll || call.number == SYS_ppoll ? 0xff : 0,
             kGood);
      return reinterpret_cast<long>(memory);
    case 'L':
      return static_cast<long>(length);
    default:
      break;
  }
  if (!hostile::IsPointer(word)) {
    return state->Number(word);
  }
  const auto bytes = state->Bytes(word);
  memcpy(structures[at], bytes.data(), bytes.size());
  return reinterpret_cast<long>(structures[at]);
}

std::string Line(const Call& call) {
  std::string line =
      std::string(call.name + (call.name[0] == '~' ? 1 : 0)) + ":";
  for (const unsigned long length : kLengths) {
    char text[32];
    if (IsExcluded(call, length)) {
      continue;
    }
    state->Restore();
    const std::vector<std::string> words = hostile::Words(call.arguments);
    long arguments[6] = {};
    for (std::size_t i = 0; i < words.size(); ++i) {
      arguments[i] = Argument(call, words[i], i, length);
    }
    snprintf(text, sizeof text, " %lx=", length);
    line += text + hostile::Result({call.number, call.name, ""}, arguments);
  }
  prctl(PR_SET_PDEATHSIG, 0);
  return line + "\n";
}

void Table() {
  std::string table;
  for (const Call& call : kCalls) {
    table += Line(call);
  }
  hostile::Compare(table);
}

}  // namespace

int main(int argc, char** argv) {
  void* area = mmap(nullptr, kGood + kPage, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SSI_TRUE(area != MAP_FAILED);
  memory = static_cast<unsigned char*>(area);
  SSI_OK(mprotect(memory + kGood, kPage, PROT_NONE));
  return hostile::Run(argc, argv, Table);
}
