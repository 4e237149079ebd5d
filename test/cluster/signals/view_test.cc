// What others see of a program that is away: its stand-in in /proc, ps and
// kill; terminal programs on their terminal; and that a program at home is
// nobody's tracee.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <regex>

#include <catch2/catch.hpp>

#include "cluster/signals/subject.h"
#include "cluster/signals/terminal.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

std::string Ps(pid_t pid, const std::string& columns) {
  Spawn spawn;
  spawn.command = {"ps", "-o", columns, "-p", std::to_string(pid)};
  return RunToEnd(spawn).out;
}

std::string TracerOf(pid_t pid) {
  std::string status = ReadAllOf("/proc/" + std::to_string(pid) + "/status");
  std::smatch found;
  return std::regex_search(status, found, std::regex("TracerPid:\\t(\\d+)"))
             ? found[1].str()
             : "gone";
}

std::map<std::string, std::string> OnTerminal(const Cluster& cluster) {
  auto environment = cluster.environment();
  environment["TERM"] = "vt100";
  environment["LC_ALL"] = "C";
  environment["PATH"] = std::string(SSI_BIN_DIR) + ":/usr/bin:/bin";
  return environment;
}

TEST_CASE("ps and kill see the same process away as at home", "[sample]") {
  Cluster cluster;
  TemporaryFolder folder;
  // Below a shell on a terminal: its group, session and terminal stay.
  Terminal terminal({"/bin/bash", "--norc", "--noediting", "-i"},
                    OnTerminal(cluster), folder.path());
  terminal.Type("ssirun sleep 1234 &\n");
  pid_t pid = -1;
  REQUIRE(Eventually(
      [&] {
        for (pid_t each : DescendantsOf(terminal.pid())) {
          pid = NameOf(each) == "sleep" ? each : pid;
        }
        return pid > 0;
      },
      20s));
  const std::string kColumns =
      "pid,ppid,pgid,sid,tty,tpgid,uid,euid,comm,args,ni";
  std::string proc = "/proc/" + std::to_string(pid);
  std::string before = Ps(pid, kColumns);
  std::string environ = ReadAllOf(proc + "/environ");
  std::string cmdline = ReadAllOf(proc + "/cmdline");
  CHECK(TracerOf(pid) == "0");
  for (int round = 0; round < 2; ++round) {
    auto moved = cluster.Ssictl({"migrate", std::to_string(pid), "n2"});
    INFO(moved.err);
    REQUIRE(Describe(moved.status) == "exit 0");
    CHECK(cluster.Bodies("n2").size() == 1);
    CHECK(Ps(pid, kColumns) == before);
    CHECK(ReadAllOf(proc + "/environ") == environ);
    CHECK(ReadAllOf(proc + "/cmdline") == cmdline);
    CHECK(::kill(pid, 0) == 0);
    char link[64] = {};
    CHECK(::readlink((proc + "/fd/0").c_str(), link, sizeof link - 1) > 0);
    CHECK(std::string(link).starts_with("/dev/pts/"));
    REQUIRE(Describe(cluster.Ssictl({"home", std::to_string(pid)}).status) ==
            "exit 0");
    // The copy ends when n2 has heard that it is not needed.
    CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 10s));
    CHECK(Ps(pid, kColumns) == before);
    CHECK(TracerOf(pid) == "0");
  }
  terminal.Type("kill -0 %1 && echo al''ive; kill %1; wait %1; echo st$?\n");
  CHECK(terminal.Await("alive"));
  CHECK(terminal.Await("st143"));
}

TEST_CASE("after it has come home strace attaches to it", "[sample]") {
  Cluster cluster;
  Subject subject(&cluster, Mode::kAway,
                  {"perl", "-e",
                   "$| = 1; print \"ready\\n\"; while (1) {select "
                   "undef, undef, undef, 0.02; getppid}"});
  REQUIRE(subject.Await("ready"));
  std::string number = std::to_string(subject.pid());
  REQUIRE(Describe(cluster.Ssictl({"home", number}).status) == "exit 0");
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {"strace", "-o", folder.path() + "/trace", "-p", number};
  spawn.err = folder.path() + "/err";
  Child strace(spawn);
  CHECK(Eventually(
      [&] {
        return ReadAllOf(folder.path() + "/trace").find("getppid()") !=
               std::string::npos;
      },
      15s));
  INFO(ReadAllOf(folder.path() + "/err"));
  CHECK(TracerOf(subject.pid()) == std::to_string(strace.pid()));
  strace.Kill(SIGINT);
  CHECK(strace.Wait(10s));
  // And it can leave again.
  auto moved = cluster.Ssictl({"migrate", number, "n2"});
  INFO(moved.err);
  CHECK(Describe(moved.status) == "exit 0");
  subject.Signal(SIGKILL);
  CHECK(Describe(subject.End()) == "signal 9");
}

// A set-uid program of ours that says what it is; only root can make one.
TEST_CASE("a set-uid child of a program that came home has its privilege",
          "[sample]") {
  if (::geteuid() != 0) {
    WARN("needs root to make a set-uid program");
    return;
  }
  Cluster cluster;
  TemporaryFolder folder;
  // Not below a private folder: others must be able to execute it.
  std::string program = folder.path() + "/who";
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  Spawn copy;
  copy.command = {"cp", "/usr/bin/id", program};
  REQUIRE(Describe(RunToEnd(copy).status) == "exit 0");
  REQUIRE(::chown(program.c_str(), 1, 1) == 0);
  REQUIRE(::chmod(program.c_str(), 06755) == 0);
  Subject subject(&cluster, Mode::kAway,
                  {"perl", "-e",
                   "$| = 1; print \"ready\\n\"; select undef, undef, undef, "
                   "0.05 until -e $ARGV[0]; system $ARGV[1], '-u'; print "
                   "\"done\\n\"",
                   folder.path() + "/go", program});
  REQUIRE(subject.Await("ready"));
  REQUIRE(Describe(
              cluster.Ssictl({"home", std::to_string(subject.pid())}).status) ==
          "exit 0");
  std::ofstream(folder.path() + "/go") << "x";
  REQUIRE(subject.End());
  CHECK(subject.out() == "ready\n1\ndone\n");
}

TEST_CASE("with --home nothing of ours is around it", "[sample]") {
  Cluster cluster;
  Job job(cluster, {"--home"}, {"sleep", "1000"});
  pid_t pid = job.front().pid();
  CHECK(Eventually([&] { return NameOf(pid) == "sleep"; }, 10s));
  CHECK(ChildrenOf(pid).empty());
  CHECK(TracerOf(pid) == "0");
  job.front().Kill(SIGTERM);
  CHECK(Describe(job.front().Wait(10s)) == "signal 15");
}

TEST_CASE("by default a program at home is nobody's tracee", "[sample]") {
  Cluster cluster;
  Job job(cluster, {}, {"sleep", "1000"});
  pid_t pid = job.CommandPid();
  CHECK(NameOf(pid) == "sleep");
  CHECK(TracerOf(pid) == "0");
  job.front().Kill(SIGTERM);  // relayed
  CHECK(Describe(job.front().Wait(10s)) == "signal 15");
  CHECK(StateOf(pid) == '-');
}

TEST_CASE("raw keys and the terminal's settings, away", "[sample]") {
  Cluster cluster;
  TemporaryFolder folder;
  Terminal terminal({"ssirun", "--on", "n2", "/usr/bin/python3", "-c", R"(
import os, sys, termios, tty
old = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b'raw now %d\r\n' % os.isatty(0))
keys = b''
while not keys.endswith(b'q'):
    keys += os.read(0, 1)
    os.write(1, b'key %d\r\n' % keys[-1])
size = os.get_terminal_size(0)
termios.tcsetattr(0, termios.TCSADRAIN, old)
print('size', size.lines, size.columns, os.ttyname(0) == os.ttyname(1))
print('group', os.tcgetpgrp(0) == os.getpgrp())
sys.stdout.flush()
os.system('stty size')
)"},
                    OnTerminal(cluster), folder.path());
  REQUIRE(terminal.Await("raw now 1\r\n", 30s));
  CHECK(Eventually([&] { return cluster.Bodies("n2").size() == 1; }, 10s));
  // Raw: the terminal makes no signal of ^C and no line end of CR.
  terminal.Type("a\x03\x1a\r");
  for (const char* key :
       {"key 97\r\n", "key 3\r\n", "key 26\r\n", "key 13\r\n"}) {
    CHECK(terminal.Await(key));
  }
  terminal.Type("q");
  CHECK(terminal.Await("size 24 80 True\r\n"));
  CHECK(terminal.Await("group True\r\n"));
  CHECK(terminal.Await("24 80\r\n"));
  CHECK(Describe(terminal.Wait(15s)) == "exit 0");
}

TEST_CASE("less and vim on a terminal, away") {
  Cluster cluster;
  TemporaryFolder folder;
  std::ofstream(folder.path() + "/text") << "first line\nsecond line\n";
  {
    Terminal less({"ssirun", "--on", "n2", "less", "text"}, OnTerminal(cluster),
                  folder.path());
    CHECK(less.Await("second line", 30s));
    CHECK(cluster.Bodies("n2").size() == 1);
    less.Type("q");
    CHECK(Describe(less.Wait(15s)) == "exit 0");
  }
  Terminal vim({"ssirun", "--on", "n2", "vim", "-u", "NONE", "-n", "text"},
               OnTerminal(cluster), folder.path());
  CHECK(vim.Await("second line", 30s));
  vim.Type("Onew line\x1b:wq\r");
  CHECK(Describe(vim.Wait(15s)) == "exit 0");
  CHECK(ReadAllOf(folder.path() + "/text") ==
        "new line\nfirst line\nsecond line\n");
}

TEST_CASE("the terminal is hung up under a program that is away") {
  Cluster cluster;
  TemporaryFolder folder;
  Terminal terminal({"ssirun", "--on", "n2", "perl", "-e",
                     "$SIG{HUP} = sub {open F, '>', 'hup'; print F 'x'; close "
                     "F; exit}; $| = 1; print \"ready\\n\"; sleep 1000"},
                    OnTerminal(cluster), folder.path());
  REQUIRE(terminal.Await("ready", 30s));
  CHECK(Eventually([&] { return cluster.Bodies("n2").size() == 1; }, 10s));
  terminal.HangUp();
  CHECK(Eventually([&] { return ReadAllOf(folder.path() + "/hup") == "x"; },
                   15s));
  CHECK(terminal.Wait(15s));
  CHECK(Eventually([&] { return cluster.Bodies("n2").empty(); }, 15s));
}

}  // namespace
}  // namespace ssi::test
