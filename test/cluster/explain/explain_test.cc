// What --explain counts, against what strace counts of the same programs, and
// what those programs print.
#include <fstream>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "base/files.h"
#include "cluster/explain/explained.h"

namespace ssi::test {
namespace {

using Names = std::set<std::string>;

// By hand, not from the table: what must happen to each call away.
const std::map<std::string, Names> kClasses = {
    {"home", {"read",          "write",
              "open",          "close",
              "stat",          "fstat",
              "lstat",         "poll",
              "lseek",         "pread64",
              "pwrite64",      "readv",
              "writev",        "access",
              "pipe",          "select",
              "dup",           "dup2",
              "fcntl",         "fsync",
              "fdatasync",     "ftruncate",
              "truncate",      "chdir",
              "rename",        "mkdir",
              "rmdir",         "unlink",
              "readlink",      "chmod",
              "fchmod",        "chown",
              "fchown",        "wait4",
              "kill",          "uname",
              "getppid",       "getpgid",
              "sysinfo",       "getdents64",
              "fadvise64",     "openat",
              "newfstatat",    "unlinkat",
              "faccessat",     "faccessat2",
              "pipe2",         "dup3",
              "statx",         "utimensat",
              "prlimit64",     "getgroups",
              "rt_sigsuspend", "statfs",
              "fstatfs",       "pselect6",
              "ioctl",         "sched_getaffinity",
              "tgkill",        "getrlimit",
              "readlinkat",    "fchown",
              "flock",         "close_range",
              "setpgid",       "rt_sigtimedwait",
              "renameat2",     "mkdirat",
              "fchmodat",      "memfd_create",
              "epoll_create1", "epoll_ctl",
              "epoll_wait",    "eventfd2"}},
    {"both", {"mmap", "umask", "getrusage", "times", "prctl", "prlimit64"}},
    {"home, known",
     {"getuid", "geteuid", "getgid", "getegid", "getcwd", "getpgrp",
      "getresuid", "getresgid"}},
    {"local, told",
     {"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "set_tid_address",
      "nanosleep", "clock_nanosleep", "mremap", "restart_syscall", "futex"}},
    {"life", {"exit", "exit_group", "clone3"}},
    {"come home",
     {"clone", "clone3", "fork", "vfork", "execve", "socket", "connect",
      "sendfile", "copy_file_range", "ioctl", "getxattr", "lgetxattr"}},
};
// Never seen, and free of charge.
const Names kLocal = {"brk",           "munmap",       "mprotect",
                      "madvise",       "getpid",       "gettid",
                      "futex",         "arch_prctl",   "set_robust_list",
                      "rseq",          "sigaltstack",  "getrandom",
                      "sched_yield",   "membarrier",   "time",
                      "clock_gettime", "clock_getres", "gettimeofday",
                      "mlock"};
// Arguments decide: some of these are local.
const Names kInPart = {"mmap",  "rt_sigaction",  "rt_sigprocmask",
                       "futex", "clock_gettime", "prctl"};

// The table that `strace -c` writes: ... calls [errors] name.
std::map<std::string, std::uint64_t> StraceCounts(const std::string& path) {
  std::map<std::string, std::uint64_t> counts;
  std::istringstream file(ReadAllOf(path));
  for (std::string line; std::getline(file, line);) {
    std::istringstream columns(line);
    double share = 0;
    double seconds = 0;
    std::uint64_t each = 0;
    std::uint64_t calls = 0;
    std::string name;
    if (columns >> share >> seconds >> each >> calls >> name) {
      std::string last;  // behind a number of errors
      name = columns >> last ? last : name;
      if (name != "total") {
        counts[name] += calls;
      }
    }
  }
  return counts;
}

struct Subject {
  std::vector<std::string> command;
  std::string in = "/dev/null";
  // How often these are made depends on who is faster.
  Names varies = {};
};

void CheckClasses(const wire::Explanation& explanation) {
  for (const auto& call : explanation.calls()) {
    INFO(call.name() << " is " << call.class_());
    auto known = kClasses.find(call.class_());
    REQUIRE(known != kClasses.end());
    CHECK(known->second.contains(call.name()));
    CHECK(call.comes_home().empty() == (call.class_() != "come home"));
  }
}

void CheckCounts(const ExplainedRun& run,
                 const std::map<std::string, std::uint64_t>& witnessed,
                 const Names& varies) {
  CHECK(witnessed.size() > 10);
  for (const auto& [name, count] : witnessed) {
    INFO(name);
    auto found = run.counts.find(name);
    std::uint64_t ours = found == run.counts.end() ? 0 : found->second;
    ours += name == "execve" ? 1U : 0U;  // strace's own: before the tally
    if (kInPart.contains(name)) {
      CHECK((varies.contains(name) || ours <= count));
    } else if (varies.contains(name)) {
      CHECK(ours > 0);
    } else {
      CHECK(ours == (kLocal.contains(name) ? 0 : count));
    }
  }
  for (const auto& [name, count] : run.counts) {
    INFO(name);
    // strace -c does not count calls that never return.
    CHECK((witnessed.contains(name) || varies.contains(name) ||
           name == "exit" || name == "exit_group"));
  }
  CHECK(run.counts.at("exit_group") > 0);
}

void CheckSubject(const Subject& subject, const std::string& setup) {
  TemporaryFolder folder;
  Shell(folder, setup);
  Spawn spawn;
  spawn.command = subject.command;
  spawn.folder = folder.path();
  spawn.in =
      subject.in == "/dev/null" ? subject.in : folder.path() + "/" + subject.in;
  auto native = RunToEnd(spawn);
  auto explained = RunExplained(folder, spawn);
  CHECK(Describe(explained.output.status) == Describe(native.status));
  CHECK(explained.output.out == native.out);
  CHECK(explained.output.err == native.err);
  CHECK(!native.out.empty());

  Spawn strace = spawn;
  strace.command = {"strace", "-f", "-c", "-o", folder.path() + "/counts",
                    "--"};
  strace.command.insert(strace.command.end(), subject.command.begin(),
                        subject.command.end());
  CHECK(RunToEnd(strace).out == native.out);
  CheckClasses(explained.explanation);
  CheckCounts(explained, StraceCounts(folder.path() + "/counts"),
              subject.varies);
}

const std::string kWords =
    "awk 'BEGIN {srand(7); for (i = 0; i < 20000; i++) print i, "
    "int(rand() * 9999)}' >words";

TEST_CASE("explain: gawk", "[sample]") {
  CheckSubject({.command = {"gawk",
                            "{n += $2} NR % 2000 == 0 {print $1, n; "
                            "fflush()} END {print NR; exit 4}",
                            "words"}},
               kWords);
}

TEST_CASE("explain: sqlite3", "[sample]") {
  CheckSubject({.command = {"sqlite3", ":memory:"}, .in = "sql"},
               "awk 'BEGIN {print \"create table t(a integer primary key, b "
               "text);\"; for (i = 0; i < 300; i++) printf(\"insert into t "
               "values(%d, %c%d%c);\\n\", i, 39, i * i, 39); print \"select "
               "count(*), max(b) from t;\"}' >sql");
}

TEST_CASE("explain: perl with files and signals") {
  CheckSubject(
      {.command = {"perl", "-e",
                   "$SIG{USR1} = sub {$u++}; open F, '<', 'words' or die; "
                   "while (<F>) {$s += length; kill USR1 => $$ if $. % 5000 == "
                   "0} open G, '>', 'g' or die; print G $s; close G; rename "
                   "'g', 'h'; unlink 'h'; print \"$s $u\\n\"; exit 3"}},
      kWords);
}

TEST_CASE("explain: python3 with threads", "[sample]") {
  CheckSubject(
      {.command = {"/usr/bin/python3", "-I", "-c",
                   "import os, threading\n"
                   "done = [0] * 4\n"
                   "def work(k):\n"
                   "  f = os.open('words', os.O_RDONLY)\n"
                   "  while True:\n"
                   "    b = os.read(f, 4096)\n"
                   "    if not b: break\n"
                   "    done[k] += len(b)\n"
                   "  os.close(f)\n"
                   "ts = [threading.Thread(target=work, args=(k,)) for k in "
                   "range(4)]\n"
                   "[t.start() for t in ts]; [t.join() for t in ts]\n"
                   "print(done)\n"},
       // A thread is made by clone3, with its flags in memory.
       // Python waits for its lock with a time limit, as often as it must.
       .varies = {"futex"}},
      kWords);
}

TEST_CASE("explain: a pipeline of sh", "[sample]") {
  CheckSubject(
      {.command =
           {"sh", "-c",
            "mkdir d && cp words d/a && tar cf - d | tar tf - && gzip "
            "-c words | gunzip -c | sort -S 4M --parallel=1 | head -n 3; "
            "rm -r d; (exit 5)"},
       // Pipes fill and empty, and children end, when they do.
       .varies = {"read", "write", "wait4", "clone", "rt_sigreturn",
                  "rt_sigaction"}},
      kWords);
}

// The result column of strace for one process.
std::uint64_t MovedBy(const std::string& log, const std::string& name) {
  std::uint64_t sum = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "(")) {
      long result = std::stol(line.substr(line.rfind(" = ") + 3));
      sum += result > 0 ? static_cast<std::uint64_t>(result) : 0;
    }
  }
  return sum;
}

TEST_CASE("explain: bytes are those that reads and writes moved", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.folder = folder.path();
  Shell(folder, kWords);
  spawn.command = {"gzip", "-kf", "words"};
  auto run = RunExplained(folder, spawn);
  Spawn strace = spawn;
  strace.command = {"strace", "-o",   folder.path() + "/log", "-s", "0", "gzip",
                    "-kf",    "words"};
  RunToEnd(strace);
  std::string log = ReadAllOf(folder.path() + "/log");
  for (const char* name : {"read", "write", "pread64"}) {
    INFO(name);
    auto moved = run.bytes.find(name);
    CHECK((moved == run.bytes.end() ? 0 : moved->second) == MovedBy(log, name));
  }
  CHECK(run.bytes.at("read") > 100000);
  CHECK(run.explanation.cost().bytes() ==
        MovedBy(log, "read") + MovedBy(log, "write") + MovedBy(log, "pread64"));
}

TEST_CASE("explain: classes and costs add up", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {"sh", "-c", "ls / >/dev/null; umask; /bin/true"};
  auto run = RunExplained(folder, spawn);
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t comes_home = 0;
  std::uint64_t all = 0;
  for (const auto& call : run.explanation.calls()) {
    counts[call.class_()] += call.count();
    all += call.count();
    comes_home += call.comes_home().empty() ? 0 : call.count();
  }
  for (const auto& sum : run.explanation.classes()) {
    CHECK(sum.count() == counts[sum.class_()]);
  }
  CHECK(static_cast<std::size_t>(run.explanation.classes_size()) ==
        counts.size());
  const auto& cost = run.explanation.cost();
  CHECK(cost.come_home() == comes_home);
  CHECK(comes_home == run.counts["vfork"] + run.counts["clone"] +
                          run.counts["clone3"] + run.counts["execve"]);
  CHECK(cost.round_trips() + cost.answered_there() == all - comes_home);
  CHECK(cost.call_seconds() ==
        Approx(static_cast<double>(cost.round_trips()) * 60e-6 +
               static_cast<double>(cost.answered_there()) * 5e-6));
  CHECK(cost.hop_seconds() ==
        Approx(static_cast<double>(comes_home) * 2 * 9e-3));
  CHECK(cost.seconds() ==
        Approx(cost.call_seconds() + cost.data_seconds() + cost.hop_seconds()));
}

TEST_CASE("explain: the text is for people, the figures are the user's",
          "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  // mmap and ioctl, of which the table has several rows of one class.
  spawn.command = {"/usr/bin/python3", "-I", "-c",
                   "import os; os.system('ls /'); exit(6)"};
  auto run = RunToEnd(
      Explained(folder, spawn, {"--assume", "call=1000,hop=2000,rate=1"}));
  CHECK(Describe(run.status) == "exit 6");
  CHECK(run.err.find("Would come home, and why:") != std::string::npos);
  CHECK(run.err.find("execve                 the new program starts at home "
                     "(for now)") != std::string::npos);
  // posix_spawn: the flags are in memory.
  CHECK(run.err.find("clone3                 new processes (for now)") !=
        std::string::npos);
  CHECK(run.err.find("takes 1000 us") != std::string::npos);
  CHECK(run.err.find("a hop 2000 ms") != std::string::npos);
  CHECK(run.err.find("carries 1 MB/s") != std::string::npos);
  CHECK(run.err.find("no_new_privs") != std::string::npos);
  std::istringstream lines(run.err);
  Names rows;
  for (std::string line; std::getline(lines, line);) {
    CHECK(line.size() < 80);
    std::istringstream columns(line);
    std::string count;
    std::string number;
    std::string name;
    std::string call_class;
    if (columns >> count >> number >> name >> call_class &&
        ParseNumber<int>(count) && ParseNumber<int>(number)) {
      INFO(line);
      CHECK(rows.insert(number + call_class).second);
    }
  }
  CHECK(rows.size() > 5);
}

TEST_CASE("explain: what it cannot do is said", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {"true"};
  auto error = [&](const std::vector<std::string>& options) {
    auto run = RunToEnd(Explained(folder, spawn, options));
    CHECK(Describe(run.status) == "exit 125");
    return run.err;
  };
  CHECK(error({"--on", "n2"}).find("neither --on nor") != std::string::npos);
  CHECK(error({"--home"}).find("neither --on nor") != std::string::npos);
  for (const char* wrong : {"call", "call=", "call=x", "speed=3", "hop=-1",
                            "rate=0", "rate=1e99", "call=3us"}) {
    INFO(wrong);
    CHECK(error({"--assume", wrong}).find("not call=MICROSECONDS") !=
          std::string::npos);
  }
  spawn.command = {"./nosuch"};
  auto run = RunToEnd(Explained(folder, spawn));
  CHECK(Describe(run.status) == "exit 127");
}

}  // namespace
}  // namespace ssi::test
