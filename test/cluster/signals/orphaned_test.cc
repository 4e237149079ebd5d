// Orphaned process groups (POSIX): no member has a parent in another group of
// the session. The terminal's stop signals do nothing to them, and reading in
// the background fails. ssirun must not make an orphaned group another one,
// nor the other way round.
#include <fstream>

#include <catch2/catch.hpp>

#include "cluster/signals/terminal.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

// Perl: says where it is, and computes until a file of that name is there.
const std::string kMeet =
    "$| = 1; sub meet {my ($where) = @_; print \"at $where\\n\"; "
    "until (-e $where) {for (my $i = 0; $i < 20000; ++$i) {}}} ";

struct Run {
  const Cluster* cluster = nullptr;  // none: natively
  std::string before{};              // what the command line begins with
  bool away = false;                 // it must be seen on n2 at each meeting
};

// `before command` below a session leader that shares its group; what the
// terminal says in the end.
std::string OnTerminal(const Run& run, const std::string& script,
                       const std::vector<std::string>& meetings) {
  TemporaryFolder folder;
  std::map<std::string, std::string> environment = {
      {"LC_ALL", "C"},
      {"TERM", "dumb"},
      {"PATH", std::string(SSI_BIN_DIR) + ":/usr/bin:/bin"}};
  if (run.cluster != nullptr) {
    environment.merge(run.cluster->environment());
  }
  Terminal terminal(
      {"/bin/sh", "-c",
       run.before + "perl -e '" + kMeet + script + "'; echo \"st\"atus $?"},
      environment, folder.path());
  for (const auto& where : meetings) {
    INFO("at " << where);
    REQUIRE(terminal.Await("at " + where + "\r\n"));
    if (run.away) {
      REQUIRE(run.cluster->SeenComputing("n2"));
    }
    std::ofstream(folder.path() + "/" + where).close();
  }
  (void)terminal.Await("status ", 15s);
  (void)terminal.Await("\n", 5s);
  return terminal.printed();
}

void CheckSameOnTerminal(const std::string& script,
                         const std::vector<std::string>& meetings,
                         const std::string& says) {
  std::string natively = OnTerminal({}, script, meetings);
  INFO("natively: " << natively);
  REQUIRE(natively.find(says) != std::string::npos);
  Cluster cluster;
  CHECK(OnTerminal({&cluster, "ssirun "}, script, meetings) == natively);
  CHECK(cluster.Bodies("n2").empty());
  CHECK(OnTerminal({&cluster, "ssirun --on n2 ", true}, script, meetings) ==
        natively);
}

TEST_CASE("stop signals of the terminal in an orphaned group", "[sample]") {
  CheckSameOnTerminal(
      "meet(\"first\"); for (qw(TSTP TTIN TTOU)) {kill $_ => $$; "
      "print \"after $_\\n\"} meet(\"last\"); exit 3",
      {"first", "last"}, "after TTOU\r\nat last\r\nstatus 3");
}

TEST_CASE("reading in the background of an orphaned group", "[sample]") {
  // The grandchild of CMD, in a group of its own whose parent has ended. CMD
  // comes home to fork; until then it is away.
  CheckSameOnTerminal(
      "meet(\"first\"); pipe R, W; unless (fork) {$p = $$; unless (fork) "
      "{setpgrp; "
      "close R; select undef, undef, undef, 0.02 while getppid == $p; "
      "$n = sysread STDIN, $_, 1; print W defined $n ? \"read\" : $! + 0; "
      "exit} exit} wait; close W; print \"it got \", <R>, \"\\n\"",
      {"first"}, "it got 5\r\n");
}

}  // namespace
}  // namespace ssi::test
