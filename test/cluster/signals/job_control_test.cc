// A job that computes on another node, controlled from an interactive shell on
// a terminal. Each script of keys runs with the program itself first, then
// with `ssirun --on n2` before it: the shell must see the same.
#include <signal.h>

#include <cstdlib>
#include <functional>

#include <catch2/catch.hpp>

#include "cluster/signals/terminal.h"
#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kInterrupt = "\x03";
constexpr const char* kEndOfFile = "\x04";
constexpr const char* kSuspend = "\x1a";
constexpr const char* kQuit = "\x1c";

class Shell {
 public:
  explicit Shell(const Cluster* cluster)
      : cluster_(cluster),
        run_(cluster == nullptr ? "" : "ssirun --on n2 "),
        terminal_({"/bin/bash", "--norc", "--noprofile", "--noediting", "-i"},
                  Environment(cluster, folder_.path()), folder_.path()) {
    Do("PS1='ready> '");
  }

  // Types a line and waits for nothing.
  void Line(const std::string& line) { terminal_.Type(line + "\n"); }
  // Types a line and waits for the next prompt.
  void Do(const std::string& line) {
    Line(line + "; echo d''one");
    Sees("done\r\n");
    Sees("ready> ");
  }
  // Starts a program of the job, in the foreground, or with what `rest` says.
  void Run(const std::string& command, const std::string& rest = "") {
    Line(run_ + command + rest);
  }
  void Keys(const std::string& keys) { terminal_.Type(keys); }
  void Sees(const std::string& text) {
    bool seen = terminal_.Await(text);
    INFO("waited for: " << text << "\non the terminal:\n"
                        << terminal_.printed());
    REQUIRE(seen);
  }
  // What the variable `name` of the shell is.
  void Is(const std::string& name, const std::string& value) {
    Line("echo \"[" + name + "]\"");
    Sees("[" + value + "]\r\n");
    Sees("ready> ");
  }
  // Asks until `jobs -l` prints `text`.
  bool JobsSay(const std::string& text) {
    bool said = Eventually(
        [&] {
          Line("jobs -l");
          return terminal_.Await(text, 300ms);
        },
        15s);
    UNSCOPED_INFO("waited for: " << text << "\non the terminal:\n"
                                 << terminal_.printed());
    return said;
  }
  // It is on n2; natively, it has been executed.
  void Away() {
    if (cluster_ == nullptr) {
      REQUIRE(Eventually([this] { return NameOf(Program()) != "bash"; }, 15s));
    }
    if (cluster_ != nullptr) {
      bool away = Eventually(
          [this] { return cluster_->Bodies("n2").size() == 1; }, 15s);
      INFO("on the terminal:\n" << terminal_.printed());
      REQUIRE(away);
    }
  }
  // For one that is too short to be seen there.
  void WasAway(const std::string& command) {
    if (cluster_ != nullptr) {
      CHECK_THAT(cluster_->log("n2"), Catch::Contains("runs here (" + command));
    }
  }
  // Neither node has anything of the job left.
  void NothingLeft() {
    if (cluster_ != nullptr) {
      CHECK(Eventually([this] { return cluster_->Bodies("n2").empty(); }, 15s));
    }
    CHECK(Eventually([this] { return ChildrenOf(terminal_.pid()).empty(); },
                     15s));
  }
  [[nodiscard]] bool native() const { return cluster_ == nullptr; }
  Terminal& terminal() { return terminal_; }
  // The program itself, below the shell's only child.
  [[nodiscard]] pid_t Program() const {
    auto below = DescendantsOf(terminal_.pid());
    return below.empty() ? -1 : below.back();
  }

 private:
  // Its history goes with the folder: a shell that is hung up early writes one
  // before it has read a line that forbids it.
  static std::map<std::string, std::string> Environment(
      const Cluster* cluster, const std::string& home) {
    std::map<std::string, std::string> environment = {
        {"TERM", "dumb"},
        {"HOME", home},
        {"HISTFILE", home + "/history"},
        {"LC_ALL", "C"},
        {"PATH", std::string(SSI_BIN_DIR) + ":/usr/bin:/bin"}};
    if (cluster != nullptr) {
      environment.merge(cluster->environment());
    }
    return environment;
  }

  TemporaryFolder folder_;
  const Cluster* cluster_;
  std::string run_;
  Terminal terminal_;
};

void Check(const std::function<void(Shell&)>& script) {
  {
    INFO("natively");
    Shell shell(nullptr);
    script(shell);
    shell.NothingLeft();
  }
  INFO("--on n2");
  Cluster cluster;
  Shell shell(&cluster);
  script(shell);
  shell.NothingLeft();
}

// By job control, also while it is traced.
bool Stopped(pid_t pid) {
  return StateOf(pid) == 'T' || StateOf(pid) == 't';
}

void CatEchoes(Shell& shell, const std::string& word) {
  shell.Line(word);
  shell.Sees(word + "\r\n");  // the terminal's echo
  shell.Sees(word + "\r\n");  // cat
}

TEST_CASE("interrupt from the terminal", "[sample]") {
  Check([](Shell& shell) {
    shell.Run("cat");
    CatEchoes(shell, "one");
    shell.Away();
    shell.Keys(kInterrupt);
    shell.Sees("ready> ");
    shell.Is("$?", "130");
    shell.Run("cat");
    CatEchoes(shell, "two");
    shell.Keys(kQuit);
    shell.Sees("Quit");
    shell.Is("$?", "131");
    shell.Run("cat");
    CatEchoes(shell, "three");
    shell.Keys(kEndOfFile);
    shell.Sees("ready> ");
    shell.Is("$?", "0");
  });
}

TEST_CASE("interrupt of a program that computes", "[sample]") {
  Check([](Shell& shell) {
    shell.Run("mawk 'BEGIN {print \"be\" \"gun\"; fflush(); while (1) i++}'");
    shell.Sees("begun\r\n");
    shell.Away();
    shell.Keys(kInterrupt);
    shell.Sees("ready> ");
    shell.Is("$?", "130");
  });
}

TEST_CASE("suspend, jobs, fg", "[sample]") {
  Check([](Shell& shell) {
    shell.Run("cat");
    CatEchoes(shell, "one");
    shell.Away();
    shell.Keys(kSuspend);
    shell.Sees("Stopped");
    shell.Sees("ready> ");
    shell.Is("$?", "148");
    shell.Line("jobs -l");
    shell.Sees("Stopped");
    shell.Sees("cat");
    shell.Sees("ready> ");
    pid_t program = shell.Program();
    CHECK(Stopped(program));
    shell.Line("fg");
    shell.Sees("cat\r\n");
    CatEchoes(shell, "two");
    shell.Keys(kSuspend);
    shell.Sees("Stopped");
    shell.Sees("ready> ");
    shell.Line("fg %1");
    shell.Sees("cat\r\n");
    CatEchoes(shell, "three");
    shell.Keys(kEndOfFile);
    shell.Sees("ready> ");
    shell.Is("$?", "0");
  });
}

TEST_CASE("a suspended program does not compute, and goes on in the background",
          "[sample]") {
  Check([](Shell& shell) {
    shell.Run(
        "mawk 'BEGIN {print \"be\" \"gun\"; fflush(); "
        "while ((getline line < \"go\") < 0) i++; print \"en\" \"ded\"}'");
    shell.Sees("begun\r\n");
    shell.Away();
    shell.Keys(kSuspend);
    shell.Sees("Stopped");
    shell.Sees("ready> ");
    pid_t program = shell.Program();
    CHECK(Stopped(program));
    shell.Do(": >go");  // it would find this at once if it computed
    shell.Do("sleep 0.3; jobs");
    CHECK(shell.terminal().printed().find("ended") == std::string::npos);
    shell.Line("bg");
    shell.Sees("ended\r\n");
    shell.Line("wait; echo w''aited");
    shell.Sees("waited\r\n");
  });
}

TEST_CASE("reading in the background stops it", "[sample]") {
  Check([](Shell& shell) {
    shell.Run("cat", " &");
    shell.Sees("ready> ");
    shell.Away();
    CHECK(shell.JobsSay("Stopped (tty input)"));
    shell.Line("fg");
    shell.Sees("cat\r\n");
    CatEchoes(shell, "one");
    shell.Keys(kSuspend);
    shell.Sees("Stopped");
    shell.Do("bg");
    CHECK(shell.JobsSay("Stopped (tty input)"));
    shell.Line("kill %1; kill -CONT %1");
    CHECK(shell.JobsSay("Terminated"));
  });
}

TEST_CASE("writing in the background stops it where the terminal says so") {
  Check([](Shell& shell) {
    shell.Do("stty tostop");
    shell.Run("sh -c 'echo wri''tten; echo mo''re'", " &");
    shell.Sees("ready> ");
    CHECK(shell.JobsSay("Stopped (tty output)"));
    shell.Away();
    shell.Line("fg");
    shell.Sees("\r\nwritten\r\nmore\r\n");
    shell.Sees("ready> ");
    shell.Do("stty -tostop");
    shell.Is("$?", "0");
  });
}

TEST_CASE("the shell's kill reaches a job", "[sample]") {
  Check([](Shell& shell) {
    const std::pair<std::string, int> kSignals[] = {
        {"TERM", 15}, {"HUP", 1}, {"USR1", 10}, {"KILL", 9}, {"ALRM", 14}};
    for (const auto& [name, number] : kSignals) {
      shell.Run("sleep 100", " &");
      shell.Sees("ready> ");
      shell.Away();
      shell.Line("kill -" + name + " %1; wait %1; echo \"[$?]\"");
      shell.Sees("[" + std::to_string(128 + number) + "]\r\n");
      shell.Do(":");
    }
  });
}

TEST_CASE("a stopped job is killed") {
  Check([](Shell& shell) {
    for (std::string how : {"-9", "-TERM"}) {
      shell.Run("cat");
      CatEchoes(shell, "one");
      shell.Away();
      shell.Keys(kSuspend);
      shell.Sees("Stopped");
      shell.Sees("ready> ");
      shell.Line("kill " + how + " %1; kill -CONT %1");
      CHECK(shell.JobsSay(how == "-9" ? "Killed" : "Terminated"));
    }
  });
}

TEST_CASE("stop and continue sent to the job", "[sample]") {
  Check([](Shell& shell) {
    shell.Run("sleep 100", " &");
    shell.Sees("ready> ");
    shell.Away();
    for (std::string signal : {"STOP", "TSTP", "STOP"}) {
      // Of the program itself: bash shows one of two quick changes only.
      pid_t program = shell.Program();
      shell.Do("kill -" + signal + " %1");
      CHECK(Eventually([&] { return Stopped(program); }, 15s));
      shell.Do("kill -CONT %1");
      CHECK(Eventually([&] { return StateOf(program) == 'S'; }, 15s));
    }
    shell.Do("kill %1; wait");
  });
}

TEST_CASE("a pipe that is closed early", "[sample]") {
  Check([](Shell& shell) {
    shell.Run("yes | head -1; echo \"[${PIPESTATUS[*]}]\"");
    shell.Sees("y\r\n[141 0]\r\n");
    shell.Sees("ready> ");
    shell.WasAway("yes");
    shell.Run("yes | cat | head -2 | tail -1; echo \"[${PIPESTATUS[*]}]\"");
    shell.Sees("y\r\n[141 141 0 0]\r\n");
    shell.Sees("ready> ");
  });
}

TEST_CASE("a pipeline is suspended and interrupted as one") {
  Check([](Shell& shell) {
    shell.Run("cat | cat");
    CatEchoes(shell, "one");
    shell.Away();
    shell.Keys(kSuspend);
    shell.Sees("Stopped");
    shell.Sees("ready> ");
    shell.Line("fg");
    shell.Sees("cat\r\n");
    CatEchoes(shell, "two");
    shell.Keys(kInterrupt);
    shell.Sees("ready> ");
    shell.Is("$?", "130");
  });
}

TEST_CASE("the size of the window changes", "[sample]") {
  Check([](Shell& shell) {
    shell.Run(
        "perl -e '$| = 1; sub size {require \"sys/ioctl.ph\" if 0; my $b = "
        "\"\\0\" x 8; ioctl(STDIN, 0x5413, $b) or die $!; my @s = unpack "
        "\"S4\", $b; print \"si\", \"ze $s[0] $s[1]\\n\"} $SIG{WINCH} = "
        "sub {size; $n++}; size; select undef, undef, undef, 0.2 while $n < "
        "2'");
    shell.Sees("size 24 80\r\n");
    shell.Away();
    shell.terminal().Resize(30, 100);
    shell.Sees("size 30 100\r\n");
    shell.terminal().Resize(50, 132);
    shell.Sees("size 50 132\r\n");
    shell.Sees("ready> ");
    shell.Is("$?", "0");
  });
}

TEST_CASE("a program with its own handlers for the terminal's signals") {
  Check([](Shell& shell) {
    shell.Run(
        "perl -e '$| = 1; $SIG{INT} = sub {print \"in\", \"t\\n\"}; $SIG{QUIT} "
        "= sub {print \"qu\", \"it\\n\"; $q = 1}; $SIG{TSTP} = sub {print "
        "\"ts\", \"tp\\n\"}; $SIG{CONT} = sub {print \"co\", \"nt\\n\"}; print "
        "\"he\", \"re\\n\"; select undef, undef, undef, 0.2 until $q; exit 3'");
    shell.Sees("here\r\n");
    shell.Away();
    shell.Keys(kInterrupt);
    shell.Sees("int\r\n");
    shell.Keys(kSuspend);
    shell.Sees("tstp\r\n");
    ::kill(shell.Program(), SIGSTOP);
    shell.Sees("Stopped");
    shell.Sees("ready> ");
    shell.Line("fg");
    shell.Sees("cont\r\n");
    shell.Keys(kQuit);
    shell.Sees("quit\r\n");
    shell.Sees("ready> ");
    shell.Is("$?", "3");
  });
}

}  // namespace
}  // namespace ssi::test
