// The tests that CPython brings along, of what it does with threads, signals,
// time, files and waits: they find at nodes that change all the time what they
// find at home.
#include <chrono>
#include <cstdlib>
#include <regex>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

const std::string kPython = "/usr/bin/python3";

// "Ran 184 tests", and how they ended: what unittest says but for the time.
std::string SummaryOf(const std::string& said) {
  static const std::regex summary(
      "(Ran [0-9]+ tests?) in [0-9.]+s\\s+((OK|FAILED)[^\\n]*)");
  std::smatch match;
  return std::regex_search(said, match, summary)
             ? match[1].str() + ": " + match[2].str()
             : "no summary: " + said;
}

Spawn Suite(const std::string& name, const std::string& folder) {
  Spawn spawn;
  spawn.command = {kPython, "-m", "unittest", "-q", "test." + name};
  spawn.folder = folder;
  spawn.out = folder + "/" + name + ".out";
  spawn.err = folder + "/" + name + ".err";
  return spawn;
}

// Moves it on every fifth of a second until it ends; how often it was elsewhere
// then, by its body there.
int Hop(const Cluster& cluster, Job& job) {
  int seen = 0;
  (void)job.CommandPid();
  for (int i = 0; job.front().Runs(); ++i) {
    const char* const nodes[] = {"n2", "n3", "n2", "n1"};
    std::string node = nodes[i % 4];
    // Refused where it has ended, or has what cannot move.
    if (job.MoveTo(node) && node != "n1") {
      seen += cluster.Bodies(node).empty() ? 0 : 1;
    }
    std::this_thread::sleep_for(200ms);
  }
  return seen;
}

void CheckSuite(const std::string& name) {
  if (std::system(
          (kPython + " -c 'import test." + name + "' 2>/dev/null").c_str()) !=
      0) {
    WARN("libpython3.11-testsuite is not installed: not tested");
    return;
  }
  TemporaryFolder native;
  Child at_home(Suite(name, native.path()));
  CHECK(Describe(at_home.Wait(100s)) == "exit 0");
  std::string wanted =
      SummaryOf(ReadAllOf(native.path() + "/" + name + ".err"));

  Cluster cluster(3);
  Spawn spawn = Suite(name, cluster.folder());
  auto command = std::exchange(spawn.command, {});
  Job job(cluster, {}, command, spawn);
  int seen = Hop(cluster, job);
  std::string said = ReadAllOf(spawn.err);
  INFO(said);
  CHECK(Describe(job.front().Wait(1s)) == "exit 0");
  CHECK(SummaryOf(said) == wanted);
  CHECK(seen >= 1);
}

TEST_CASE("CPython's tests of threads") {
  for (const char* name : {"test_threading", "test_queue"}) {
    CheckSuite(name);
  }
}
TEST_CASE("CPython's tests of signals") {
  for (const char* name : {"test_signal", "test_threadsignals"}) {
    CheckSuite(name);
  }
}
TEST_CASE("CPython's tests of waits") {
  for (const char* name : {"test_select", "test_selectors", "test_poll",
                           "test_epoll", "test_time"}) {
    CheckSuite(name);
  }
}
TEST_CASE("CPython's tests of files") {
  for (const char* name : {"test_io", "test_fcntl", "test_os", "test_posix"}) {
    CheckSuite(name);
  }
}
TEST_CASE("CPython's tests of processes and memory") {
  for (const char* name : {"test_wait4", "test_fork1", "test_faulthandler",
                           "test_gc", "test_ctypes"}) {
    CheckSuite(name);
  }
}

}  // namespace
}  // namespace ssi::test
