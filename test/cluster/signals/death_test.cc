// How a program ends while it is away, as its parent sees it: natively first,
// then the front of ssirun must end the same.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>

#include <catch2/catch.hpp>

#include "cluster/signals/subject.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// All signals that end a program by default (signal(7)).
const std::vector<int> kEnding = {
    SIGHUP,  SIGINT,    SIGQUIT,  SIGILL,       SIGTRAP,   SIGABRT, SIGBUS,
    SIGFPE,  SIGKILL,   SIGUSR1,  SIGSEGV,      SIGUSR2,   SIGPIPE, SIGALRM,
    SIGTERM, SIGSTKFLT, SIGXCPU,  SIGXFSZ,      SIGVTALRM, SIGPROF, SIGIO,
    SIGPWR,  SIGSYS,    SIGRTMIN, SIGRTMIN + 3, SIGRTMAX};

std::optional<int> StatusNatively(const std::vector<std::string>& command) {
  Subject subject(nullptr, Mode::kNative, command);
  return subject.End();
}

// Dies of each signal that comes from outside, with no core in either mode.
void CheckKilled(const std::vector<int>& numbers) {
  rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  const std::vector<std::string> kWait = {
      "perl", "-e",
      "$| = 1; $SIG{$_} = 'DEFAULT' for keys %SIG; print "
      "\"ready\\n\"; sleep 100 while 1"};
  Cluster cluster;
  for (int signal : numbers) {
    INFO("signal " << signal);
    Subject subject(&cluster, Mode::kAway, kWait);
    REQUIRE(subject.Await("ready"));
    subject.Signal(signal);
    auto status = subject.End();
    REQUIRE(status);
    CHECK(WIFSIGNALED(*status));
    CHECK(WTERMSIG(*status) == signal);
    CHECK(!WCOREDUMP(*status));
    CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
  }
}

TEST_CASE("death by a signal from outside", "[sample]") {
  CheckKilled({SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGTERM, SIGPIPE,
               SIGRTMIN + 3});
}
TEST_CASE("death by each signal from outside") {
  CheckKilled(kEnding);
}

TEST_CASE("death by a signal of its own", "[sample]") {
  Cluster cluster;
  for (int signal : kEnding) {
    INFO("signal " << signal);
    const std::vector<std::string> kKillSelf = {
        "perl", "-e",
        "$SIG{PIPE} = $SIG{FPE} = 'DEFAULT'; kill " + std::to_string(signal) +
            " => $$; sleep 5; exit 9"};
    Subject subject(&cluster, Mode::kAway, kKillSelf);
    auto status = subject.End();
    CHECK(Describe(status) == "signal " + std::to_string(signal));
    CHECK(subject.err() == "");
  }
}

void CheckExits(int step) {
  Cluster cluster;
  for (int code = 0; code < 256; code += step) {
    const std::vector<std::string> kExit = {"dash", "-c",
                                            "exit " + std::to_string(code)};
    Subject subject(&cluster, Mode::kAway, kExit);
    auto status = subject.End();
    CHECK(Describe(status) == "exit " + std::to_string(code));
    CHECK(subject.err() == "");
  }
}
TEST_CASE("some exit statuses", "[sample]") {
  CheckExits(17);
}
TEST_CASE("all exit statuses") {
  CheckExits(1);
}

TEST_CASE("it exits while a blocked signal pends", "[sample]") {
  CheckScenario(
      {.command = {"perl", "-e",
                   "use POSIX; $| = 1; sigprocmask(SIG_BLOCK, POSIX::SigSet->"
                   "new(SIGTERM, SIGUSR1)); print \"ready\\n\"; <STDIN>; my $p "
                   "= POSIX::SigSet->new; do {sigpending($p); select undef, "
                   "undef, undef, 0.01} until $p->ismember(SIGTERM); exit 5"},
       .drive =
           [](Subject& subject) {
             REQUIRE(subject.Await("ready"));
             subject.Signal(SIGTERM);
             subject.Signal(SIGUSR1);
           },
       .hopping = false});
}

TEST_CASE("it dies in the handler of one signal by another") {
  CheckScenario(
      {.command = {"perl", "-e",
                   "$| = 1; $SIG{USR1} = sub {print \"handler\\n\"; kill TERM "
                   "=> $$; sleep 10; print \"alive\\n\"}; print \"ready\\n\"; "
                   "sleep 10 while 1"},
       .drive =
           [](Subject& subject) {
             REQUIRE(subject.Await("ready"));
             subject.Signal(SIGUSR1);
           },
       .hopping = false});
}

TEST_CASE("a limit of file size, handled and not", "[sample]") {
  const std::string kWrite =
      "use POSIX; $| = 1; $SIG{XFSZ} = sub {print \"xfsz\\n\"}; open F, '>', "
      "'/dev/shm/ssi-test-' . $$ or die; unlink '/dev/shm/ssi-test-' . $$; "
      "syswrite F, 'x' x 4000; my $r = syswrite F, 'y' x 4096; print $r // "
      "$!+0, \"\\n\"; $r = syswrite F, 'z'; print $r // $!+0, \"\\n\"; "
      "$SIG{XFSZ} = 'DEFAULT'; syswrite F, 'z'; print \"alive\\n\"";
  CheckScenario(
      {.command = {"bash", "-c", "ulimit -f 4; exec perl -e \"$0\"", kWrite},
       .hopping = false});
}

// By the kernel's own faults: handler with address, then death by default.
TEST_CASE("faults, handled and not", "[sample]") {
  Cluster cluster;
  for (std::string what : {"SEGV", "FPE", "BUS", "ILL"}) {
    const std::vector<std::string> kRaise = {
        "/usr/bin/python3", "-c",
        "import ctypes, faulthandler, mmap, os, sys, tempfile\n"
        "what = sys.argv[1]\n"
        "sum(range(5000000))\n"  // to be seen
        "if what == 'SEGV': ctypes.string_at(16)\n"
        "if what == 'BUS':\n"
        "  f = tempfile.TemporaryFile(); f.truncate(4096)\n"
        "  c = ctypes.CDLL(None); c.mmap.restype = ctypes.c_void_p\n"
        "  ctypes.string_at(c.mmap(None, 8192, 1, 2, f.fileno(), 0) + 4096)\n"
        "code = {'FPE': b'\\x31\\xc9\\x89\\xc8\\x31\\xd2\\xf7\\xf1\\xc3',\n"
        "        'ILL': b'\\x0f\\x0b\\xc3'}[what]\n"
        "m = mmap.mmap(-1, 4096, prot=7)\n"
        "m.write(code)\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
        "ctypes.CFUNCTYPE(None)(at)()\n",
        what};
    INFO(what);
    auto native = StatusNatively(kRaise);
    Witness witness(cluster, "n2");
    Subject subject(&cluster, Mode::kAway, kRaise);
    auto status = subject.End();
    CHECK(Describe(status) == Describe(native));
    CHECK(witness.AwaySeconds() > 0);
    CHECK(WIFSIGNALED(status.value_or(0)));
  }
}

pid_t ParentOf(pid_t pid) {
  std::string stat = ReadAllOf("/proc/" + std::to_string(pid) + "/stat");
  auto end = stat.rfind(')');
  return end == std::string::npos ? -1 : std::stoi(stat.substr(end + 4));
}

bool AllGone(const std::vector<pid_t>& pids) {
  return Eventually(
      [&] {
        return std::all_of(pids.begin(), pids.end(), [](pid_t pid) {
          return StateOf(pid) == '-' || StateOf(pid) == 'Z';
        });
      },
      15s);
}

// Everything of one job on both nodes is killed one by one; nothing is left.
TEST_CASE("either half of ssirun is killed, or the stand-in, or the body",
          "[sample]") {
  Cluster cluster;
  for (std::string victim :
       {"front", "supervisor", "stand-in", "body", "sandbox init"}) {
    INFO("killed: " << victim);
    Subject subject(&cluster, Mode::kAway,
                    {"perl", "-e",
                     "$| = 1; unless (fork) {sleep 1000; exit} "
                     "print \"ready\\n\"; sleep 1000"});
    // Its child stays at home; it goes back to n2 after the fork.
    REQUIRE(subject.Await("ready"));
    REQUIRE(Eventually(
        [&] {
          auto list = cluster.Ssictl({"ps"}).out;
          auto line = list.find("\n" + std::to_string(subject.pid()) + " ");
          return line != std::string::npos &&
                 list.find(" away ", line) != std::string::npos;
        },
        15s));
    auto all = DescendantsOf(subject.child().pid());
    auto away = cluster.Bodies("n2");
    REQUIRE(away.size() == 1);
    REQUIRE(all.size() == 3);  // supervisor, CMD, its child
    pid_t body = away[0];
    pid_t init = ParentOf(body);
    // The guest supervisor stays a while for more of this job.
    std::vector<pid_t> there = {body, init};
    pid_t pid = victim == "front"        ? subject.child().pid()
                : victim == "supervisor" ? all[0]
                : victim == "stand-in"   ? subject.pid()
                : victim == "body"       ? body
                                         : init;
    REQUIRE(::kill(pid, SIGKILL) == 0);
    auto status = subject.End();
    INFO(subject.err());
    CHECK(Describe(status) ==
          (victim == "supervisor" ? "exit 125" : "signal 9"));
    if (victim == "stand-in" || victim == "body" || victim == "sandbox init") {
      // As natively, CMD's child lives on.
      pid_t child = all[2];
      CHECK(StateOf(child) == 'S');
      ::kill(child, SIGKILL);
    }
    CHECK(AllGone(all));
    CHECK(AllGone(there));
  }
}

// The parent is a program of its own, and only its child is moved.
TEST_CASE("a parent at home sees a child that is away stop, go on and die",
          "[sample]") {
  const std::string kParent = R"(
import os, signal, sys
pid = os.fork()
if pid == 0:
    os.execvp('sleep', ['sleep', '1000'])
print('child', pid, flush=True)
def said():
    _, status = os.waitpid(pid, os.WUNTRACED | os.WCONTINUED)
    if os.WIFSTOPPED(status): return 'stopped %d' % os.WSTOPSIG(status)
    if os.WIFCONTINUED(status): return 'continued'
    if os.WIFSIGNALED(status): return 'killed %d' % os.WTERMSIG(status)
    return 'exit %d' % os.WEXITSTATUS(status)
for i in range(5):
    print(said(), flush=True)
)";
  Cluster cluster;
  for (Mode mode : {Mode::kNative, Mode::kHopping}) {
    // Not hopping by itself: the child is moved below.
    TemporaryFolder folder;
    Spawn spawn;
    spawn.out = folder.path() + "/out";
    std::optional<Job> job;
    std::optional<Child> native;
    const std::vector<std::string> kCommand = {"/usr/bin/python3", "-c",
                                               kParent};
    if (mode == Mode::kNative) {
      spawn.command = kCommand;
      native.emplace(spawn);
    } else {
      job.emplace(cluster, std::vector<std::string>{}, kCommand, spawn);
    }
    auto lines = [&] {
      return ReadAllOf(spawn.out);
    };
    REQUIRE(Eventually([&] { return lines().find('\n') != std::string::npos; },
                       20s));
    pid_t child = std::stoi(lines().substr(6));
    REQUIRE(Eventually([&] { return NameOf(child) == "sleep"; }, 10s));
    if (mode != Mode::kNative) {
      auto moved = cluster.Ssictl({"migrate", std::to_string(child), "n2"});
      INFO(moved.err);
      REQUIRE(Describe(moved.status) == "exit 0");
    }
    auto says = [&](const std::string& text) {
      bool seen =
          Eventually([&] { return lines().ends_with(text + "\n"); }, 15s);
      INFO(NameOfMode(mode) << ", waited for " << text << " in\n" << lines());
      CHECK(seen);
    };
    ::kill(child, SIGSTOP);
    says("stopped 19");
    ::kill(child, SIGCONT);
    says("stopped 19\ncontinued");
    ::kill(child, SIGSTOP);
    says("continued\nstopped 19");
    ::kill(child, SIGCONT);
    says("stopped 19\ncontinued");
    ::kill(child, SIGTERM);
    says("killed 15");
    auto status = native ? native->Wait(10s) : job->front().Wait(10s);
    CHECK(Describe(status) == "exit 0");
  }
}

}  // namespace
}  // namespace ssi::test
