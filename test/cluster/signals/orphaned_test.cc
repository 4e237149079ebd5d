// Orphaned process groups (POSIX): no member has a parent in another group of
// the session. The terminal's stop signals do nothing to them, and reading in
// the background fails. ssirun must not make an orphaned group another one,
// nor the other way round.
#include <catch2/catch.hpp>

#include "cluster/signals/terminal.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// `before command` below a session leader that shares its group; what the
// terminal says in the end.
std::string OnTerminal(const Cluster* cluster, const std::string& before,
                       const std::string& script) {
  TemporaryFolder folder;
  std::map<std::string, std::string> environment = {
      {"LC_ALL", "C"},
      {"TERM", "dumb"},
      {"PATH", std::string(SSI_BIN_DIR) + ":/usr/bin:/bin"}};
  if (cluster != nullptr) {
    environment.merge(cluster->environment());
  }
  Terminal terminal({"/bin/sh", "-c",
                     before + "perl -e '" + script + "'; echo \"st\"atus $?"},
                    environment, folder.path());
  (void)terminal.Await("status ", 15s);
  (void)terminal.Await("\n", 5s);
  return terminal.printed();
}

void CheckSameOnTerminal(const std::string& script, const std::string& says) {
  std::string natively = OnTerminal(nullptr, "", script);
  INFO("natively: " << natively);
  REQUIRE(natively.find(says) != std::string::npos);
  Cluster cluster;
  CHECK(OnTerminal(&cluster, "ssirun ", script) == natively);
  CHECK(OnTerminal(&cluster, "ssirun --on n2 ", script) == natively);
}

TEST_CASE("stop signals of the terminal in an orphaned group", "[sample]") {
  CheckSameOnTerminal(
      "$| = 1; for (qw(TSTP TTIN TTOU)) {kill $_ => $$; print \"after $_\\n\"}"
      "exit 3",
      "after TTOU\r\nstatus 3");
}

TEST_CASE("reading in the background of an orphaned group", "[sample]") {
  // The grandchild of CMD, in a group of its own whose parent has ended.
  CheckSameOnTerminal(
      "$| = 1; pipe R, W; unless (fork) {$p = $$; unless (fork) {setpgrp; "
      "close R; select undef, undef, undef, 0.02 while getppid == $p; "
      "$n = sysread STDIN, $_, 1; print W defined $n ? \"read\" : $! + 0; "
      "exit} exit} wait; close W; print \"it got \", <R>, \"\\n\"",
      "it got 5\r\n");
}

}  // namespace
}  // namespace ssi::test
