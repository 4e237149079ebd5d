// Who is explained lives as always: signals, stops, ends, and what it starts.
#include <signal.h>

#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "cluster/explain/explained.h"
#include "cluster/guests/guest_list.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// The child of the front that is not CMD's tree, which is below it.
pid_t SupervisorOf(const Child& front) {
  pid_t found = -1;
  (void)Eventually(
      [&] {
        for (pid_t pid : ChildrenOf(front.pid())) {
          found = NameOf(pid) == "ssi-home" ? pid : found;
        }
        return found > 0;
      },
      5s);
  return found;
}

TEST_CASE("explain: CMD's signal is ssirun's", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {"sh", "-c", "kill -TERM $$"};
  auto run = RunToEnd(Explained(folder, spawn));
  CHECK(Describe(run.status) == "signal 15");
  CHECK(run.err.find("kill") != std::string::npos);  // it was counted
}

TEST_CASE("explain: no call fails for a signal that comes before it",
          "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  // kill never waits, so it never answers EINTR. The handler of perl has no
  // SA_RESTART.
  spawn.command = {
      "perl", "-e",
      "$| = 1; $SIG{USR1} = sub { $signals++ }; print qq(asks\\n);"
      "until ($signals >= 200) { kill(0, $$) or $failed++ } $SIG{USR1} = "
      "q(IGNORE); print qq(failed ), $failed + 0, qq(\\n);"};
  spawn.out = folder.path() + "/out";
  spawn.err = folder.path() + "/err";
  Child front(Explained(folder, spawn));
  REQUIRE(Eventually([&] { return ReadAllOf(spawn.out) == "asks\n"; }, 10s));
  // Sent to ssirun, which passes them on.
  CHECK(Eventually(
      [&] {
        front.Kill(SIGUSR1);
        return ReadAllOf(spawn.out).find("failed") != std::string::npos;
      },
      40s));
  CHECK(Describe(front.Wait(10s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == "asks\nfailed 0\n");
}

TEST_CASE("explain: children of sh end when they like", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  // dash takes SIGCHLD in whatever call it is just in.
  spawn.command = {"sh", "-c",
                   "i=0; while [ $i -lt 60 ]; do true | /bin/true | true; "
                   "i=$((i + 1)); done; echo $i"};
  auto run = RunExplained(folder, spawn);
  CHECK(run.output.out == "60\n");
  CHECK(run.output.err.empty());
  // A fork that finds a signal pending is made again (ERESTARTNOINTR).
  CHECK(run.counts["clone"] + run.counts["fork"] >= 180);
  CHECK(run.counts["execve"] == 60);
}

TEST_CASE("explain: an ignored signal does not end a wait", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  // A traced thread stops for SIGWINCH too, and epoll_wait then would answer
  // EINTR (signal(7)).
  spawn.command = {
      "perl", "-e",
      "$p = $$; $b = chr(0) x 12; $e = syscall(291, 0);"
      "$c = fork() // die; unless ($c) {"
      "  for (1 .. 20) { select(undef, undef, undef, 0.01); kill WINCH => $p }"
      "  exit 0 }"
      "waitpid($c, 0) if $ARGV[0]; $r = syscall(232, $e, $b, 1, 300);"
      "print $r == 0 ? qq(in time\\n) : qq($!\\n); kill KILL => $c"};
  auto run = RunExplained(folder, spawn);
  CHECK(run.output.out == "in time\n");
  CHECK(run.counts["epoll_wait"] == 1);
}

TEST_CASE("explain: stop and go on", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {"sh", "-c",
                   "echo $$; while [ ! -e go ]; do sleep 0.02; done; echo on"};
  spawn.folder = folder.path();
  spawn.out = folder.path() + "/out";
  spawn.err = folder.path() + "/err";
  Child front(Explained(folder, spawn));
  REQUIRE(Eventually([&] { return !ReadAllOf(spawn.out).empty(); }, 10s));
  pid_t command = std::stoi(ReadAllOf(spawn.out));
  ::kill(command, SIGSTOP);
  CHECK(Eventually([&] { return StateOf(front.pid()) == 'T'; }, 10s));
  CHECK(StateOf(command) == 't');
  ::kill(command, SIGCONT);
  CHECK(Eventually([&] { return StateOf(front.pid()) == 'S'; }, 10s));
  Shell(folder, "touch go");
  CHECK(Describe(front.Wait(10s)) == "exit 0");
  CHECK(ReadAllOf(spawn.out) == std::to_string(command) + "\non\n");
}

TEST_CASE("explain: nothing of the job outlives its supervisor or front",
          "[sample]") {
  bool of_front = GENERATE(false, true);
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {"sh", "-c",
                   "trap '' TERM; sh -c 'echo $$; while :; do sleep 1; done' & "
                   "echo $$; while :; do sleep 1; done"};
  spawn.out = folder.path() + "/out";
  spawn.err = folder.path() + "/err";
  Child front(Explained(folder, spawn));
  pid_t first = 0;
  pid_t second = 0;
  REQUIRE(Eventually(
      [&] {
        std::istringstream lines(ReadAllOf(spawn.out));
        return static_cast<bool>(lines >> first >> second);
      },
      10s));
  pid_t supervisor = SupervisorOf(front);
  REQUIRE(supervisor > 0);
  if (of_front) {
    front.Kill(SIGKILL);
    CHECK(Describe(front.Wait(10s)) == "signal 9");
  } else {
    ::kill(supervisor, SIGKILL);
    CHECK(Describe(front.Wait(10s)) == "exit 125");
    CHECK(ReadAllOf(spawn.err) ==
          "ssirun: the home supervisor was killed; the job was ended\n");
  }
  CHECK(Eventually(
      [&] {
        return StateOf(first) == '-' && StateOf(second) == '-' &&
               StateOf(supervisor) == '-';
      },
      10s));
}

TEST_CASE("explain: a daemon lives on after CMD", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.folder = folder.path();
  spawn.command = {"sh", "-c",
                   "setsid sh -c 'while [ ! -e go ]; do sleep 0.02; done; "
                   "ls / >/dev/null; echo late >late' </dev/null >/dev/null "
                   "2>&1 & exit 3"};
  auto run = RunExplained(folder, spawn);
  CHECK(Describe(run.output.status) == "exit 3");
  CHECK(ReadAllOf(folder.path() + "/late").empty());
  Shell(folder, "touch go");
  CHECK(Eventually(
      [&] { return ReadAllOf(folder.path() + "/late") == "late\n"; }, 10s));
}

TEST_CASE("explain: a filter of the program's own", "[sample]") {
  TemporaryFolder folder;
  Spawn spawn;
  spawn.command = {std::string(SSI_GUEST_DIR) + "/comehome_filter", "0.2"};
  spawn.folder = folder.path();
  auto run = RunExplained(folder, spawn);
  CHECK(Describe(run.output.status) == "exit 0");
  auto rows = RowsOf(run.explanation, "seccomp");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].comes_home() == "permanent");
  CHECK(rows[0].reason().find("a filter of its own") == 0);
}

// Each guest checks itself; natively all pass.
void CheckGuest(const GuestRun& guest) {
  INFO(guest.name);
  TemporaryFolder folder;
  Spawn spawn;
  spawn.folder = folder.path();
  spawn.command = guest.command;
  for (auto& word : spawn.command) {
    word = word == "@" ? "0.2" : word;
  }
  auto native = RunToEnd(spawn);
  auto run = RunExplained(folder, spawn);
  CHECK(Describe(run.output.status) == Describe(native.status));
}

TEST_CASE("explain: some guests", "[sample]") {
  const std::set<std::string> kSome = {"signal_masks", "clocks", "pipes",
                                       "program_static", "die_null"};
  std::size_t count = 0;
  for (const auto& guest : ReadGuestList()) {
    if (kSome.contains(guest.name)) {
      CheckGuest(guest);
      ++count;
    }
  }
  CHECK(count == kSome.size());
}

TEST_CASE("explain: all guests") {
  for (const auto& guest : ReadGuestList()) {
    // This one asks whether it has a filter.
    if (guest.name != "process_controls" && !guest.Is("root")) {
      CheckGuest(guest);
    }
  }
}

}  // namespace
}  // namespace ssi::test
