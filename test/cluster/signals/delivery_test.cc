// Signals from outside to programs that are away: with the sender's siginfo,
// under the program's mask and handlers, and with the kernel's rules for calls
// that they interrupt. Natively, away and hopping must say the same.
#include <signal.h>

#include <thread>

#include <catch2/catch.hpp>

#include "cluster/signals/subject.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> Python(const std::string& script) {
  return {"/usr/bin/python3", "-c",
          "import ctypes, os, select, signal, sys, time\n"
          "def say(*what): print(*what, flush=True)\n" +
              script};
}
std::vector<std::string> Perl(const std::string& script) {
  return {"perl", "-e",
          "use POSIX; use Time::HiRes qw(sleep alarm time); "
          "$| = 1; " +
              script};
}

// As the program's parent knows us: who sends, and what.
TEST_CASE("siginfo of an outside sender, in handlers and in sigwaitinfo",
          "[sample]") {
  const std::string kProgram = R"(
class Info(ctypes.Structure):
    _fields_ = [('signo', ctypes.c_int), ('errno', ctypes.c_int),
                ('code', ctypes.c_int), ('pad', ctypes.c_int),
                ('pid', ctypes.c_int), ('uid', ctypes.c_int),
                ('value', ctypes.c_int)]
libc = ctypes.CDLL(None, use_errno=True)
numbers = [signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN + 2,
           signal.SIGRTMIN + 5]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
mask = ctypes.create_string_buffer(128)
libc.sigemptyset(mask)
for number in numbers: libc.sigaddset(mask, number)
say('ready')
for i in range(8):
    info = Info()
    number = libc.sigwaitinfo(mask, ctypes.byref(info))
    if number < 0:
        say('errno', ctypes.get_errno()); continue
    say(number, info.signo, info.code, info.pid, info.uid,
        info.value if info.code == -1 else '-')
    say('taken', i)
)";
  CheckScenario(
      {.command = Python(kProgram), .drive = [](Subject& subject) {
         REQUIRE(subject.Await("ready"));
         const int kNumbers[] = {SIGUSR1, SIGTERM, SIGRTMIN + 2, SIGRTMIN + 5};
         for (int i = 0; i < 8; ++i) {
           int number = kNumbers[i % 4];
           if (i % 2 == 0) {
             subject.Queue(number, 1000 + i);
           } else {
             subject.Signal(number);
           }
           REQUIRE(subject.Await("taken " + std::to_string(i)));
         }
       }});
}

TEST_CASE("real-time signals keep their order and values", "[sample]") {
  const std::string kProgram = R"(
numbers = [signal.SIGRTMIN + 1, signal.SIGRTMIN + 4]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers + [signal.SIGUSR1])
say('ready')
signal.sigwait([signal.SIGUSR1])
while True:
    info = signal.sigtimedwait(numbers, 0)
    if info is None: break
    say(info.si_signo, info.si_code, info.si_pid)
)";
  CheckScenario({.command = Python(kProgram),
                 .drive =
                     [](Subject& subject) {
                       REQUIRE(subject.Await("ready"));
                       for (int i = 0; i < 20; ++i) {
                         subject.Queue(SIGRTMIN + (i % 3 == 0 ? 1 : 4), i);
                       }
                       subject.Signal(SIGUSR1);
                     },
                 .hopping = false});
}

TEST_CASE("a blocked signal waits, and runs its handler when it is unblocked",
          "[sample]") {
  CheckScenario(
      {.command = Perl(
           "my $set = POSIX::SigSet->new(SIGUSR1, SIGUSR2); "
           "sigprocmask(SIG_BLOCK, $set); $SIG{USR1} = sub {print \"usr1\\n\"};"
           "$SIG{USR2} = sub {print \"usr2\\n\"}; print \"ready\\n\"; my $p = "
           "POSIX::SigSet->new; do {sleep 0.01; sigpending($p)} until "
           "$p->ismember(SIGUSR1) && $p->ismember(SIGUSR2); print \"both "
           "pend\\n\"; sigprocmask(SIG_UNBLOCK, POSIX::SigSet->new(SIGUSR2)); "
           "print \"one\\n\"; sigprocmask(SIG_UNBLOCK, $set); print "
           "\"end\\n\"; $SIG{USR1} = 'IGNORE'; kill USR1 => $$; "
           "sigprocmask(SIG_BLOCK, $set); kill USR1 => $$; sigpending($p); "
           "print $p->ismember(SIGUSR1), \"\\n\"; exit 4"),
       .drive = [](Subject& subject) {
         REQUIRE(subject.Await("ready"));
         subject.Signal(SIGUSR1);
         subject.Signal(SIGUSR2);
         subject.Signal(SIGUSR1);
       }});
}

// A pipe that nobody writes to: EINTR without SA_RESTART, waits on with it.
// Its handlers run at once, in the middle of a print too: so it has none.
TEST_CASE("a waiting read: EINTR, and restart", "[sample]") {
  CheckScenario(
      {.command = Perl(
           "sub say {syswrite STDOUT, join('', @_, \"\n\")} pipe(my $r, my "
           "$w); my $n = 0; sigaction(SIGUSR1, POSIX::SigAction->new(sub {say "
           "'plain'})); sigaction(SIGUSR2, POSIX::SigAction->new(sub {$n++; "
           "say \"restart $n\"; syswrite $w, 'x' if $n == 3}, "
           "POSIX::SigSet->new, SA_RESTART)); say 'ready'; my $got = sysread "
           "$r, my $b, 1; say defined $got ? $got : 'errno ' . ($! + 0); say "
           "'again'; until (defined($got = sysread $r, $b, 1)) {} say \"$got "
           "$b\"; "),
       .drive =
           [](Subject& subject) {
             REQUIRE(subject.Await("ready"));
             // It is in the read when its kernel says so.
             std::this_thread::sleep_for(200ms);
             subject.Signal(SIGUSR1);
             REQUIRE(subject.Await("again"));
             for (int i = 1; i <= 3; ++i) {
               subject.Signal(SIGUSR2);
               REQUIRE(subject.Await("restart " + std::to_string(i)));
             }
           },
       .hopping = false});
}

TEST_CASE("a sleep is interrupted, and tells what is left", "[sample]") {
  CheckScenario(
      {.command = Perl(
           "$SIG{USR1} = sub {}; $SIG{CHLD} = 'DEFAULT'; print \"ready\\n\"; "
           "my $slept = POSIX::sleep(1000); print $slept > 900 ? \"left\" : "
           "\"end $slept\", \"\\n\"; $t = time; sleep 1.5; my $d = time - $t; "
           "print $d >= 1.5 && $d < 20 ? \"whole\" : \"slept $d\", \"\\n\""),
       .drive = [](Subject& subject) {
         REQUIRE(subject.Await("ready"));
         std::this_thread::sleep_for(200ms);
         subject.Signal(SIGWINCH);  // ignored: the sleep goes on
         subject.Signal(SIGUSR1);
         REQUIRE(subject.Await("left"));
         subject.Signal(SIGWINCH);
         subject.Signal(SIGCONT);
       }});
}

TEST_CASE("alarms, and the children that stayed at home", "[sample]") {
  CheckScenario(
      {.command = Perl(
           "my ($alarms, $children) = (0, 0); $SIG{ALRM} = sub {$alarms++; "
           "alarm 0.2 if $alarms < 8}; $SIG{CHLD} = sub {while ((my $p = "
           "waitpid -1, WNOHANG) > 0) {$children++; print \"child \", $? >> 8, "
           "\"\\n\"}}; alarm 0.2; sleep 5 while $alarms < 8; print \"alarms "
           "$alarms\\n\"; for my $i (1 .. 3) {my $was = $children; unless "
           "(fork) "
           "{sleep 0.1 * $i; POSIX::_exit($i)} sleep 5 while $children == "
           "$was} print \"children $children\\n\""),
       // It is under way home and back for each alarm anyway.
       .least_hops = 1});
}

TEST_CASE("sigsuspend and ppoll with temporary masks") {
  CheckScenario(
      {.command = Perl(
           "my $usr = POSIX::SigSet->new(SIGUSR1, SIGUSR2); "
           "sigprocmask(SIG_BLOCK, $usr); $SIG{USR1} = sub {print \"usr1\\n\"};"
           " $SIG{USR2} = sub {print \"usr2\\n\"}; print \"ready\\n\"; my "
           "$only = POSIX::SigSet->new(SIGUSR1); my $r = sigsuspend($only); "
           "print defined $r ? 'r' : 'errno ' . ($! + 0), \"\\n\"; my $now = "
           "POSIX::SigSet->new; sigprocmask(SIG_BLOCK, undef, $now); print "
           "$now->ismember(SIGUSR1), $now->ismember(SIGUSR2), \"\\n\"; "
           "sigsuspend(POSIX::SigSet->new); print \"end\\n\""),
       .drive = [](Subject& subject) {
         REQUIRE(subject.Await("ready"));
         subject.Signal(SIGUSR1);  // stays blocked in the first
         std::this_thread::sleep_for(100ms);
         subject.Signal(SIGUSR2);
       }});
}

// dash's wait, which sleeps in sigsuspend, with its children at home.
TEST_CASE("dash waits for its children and takes traps", "[sample]") {
  CheckScenario(
      {.command = {"dash", "-c",
                   "trap 'echo trapped' USR1; sleep 2 & echo ready; wait; echo "
                   "$?; wait; echo $?; (exit 7) & wait $!; echo $?; trap - "
                   "USR1; kill -TERM $$; echo alive"},
       .drive = [](Subject& subject) {
         REQUIRE(subject.Await("ready"));
         std::this_thread::sleep_for(150ms);
         subject.Signal(SIGUSR1);
       }});
}

TEST_CASE("stop and continue from outside", "[sample]") {
  CheckScenario({.command = Perl(
                     "$SIG{CONT} = sub {print \"continued\\n\"}; $SIG{TERM} = "
                     "sub {print \"term\\n\"; exit 6}; print \"ready\\n\"; "
                     "1 while 1"),
                 .drive =
                     [](Subject& subject) {
                       REQUIRE(subject.Await("ready"));
                       for (int i = 1; i <= 3; ++i) {
                         subject.Signal(SIGSTOP);
                         REQUIRE(Eventually(
                             [&] {
                               char state = StateOf(subject.pid());
                               return state == 'T' || state == 't';
                             },
                             10s));
                         subject.Signal(SIGCONT);
                         REQUIRE(subject.Await("continued", i));
                       }
                       subject.Signal(SIGSTOP);
                       subject.Signal(SIGTERM);
                       subject.Signal(SIGCONT);
                     },
                 .hopping = false});
}

TEST_CASE("a signal storm is counted", "[sample]") {
  CheckScenario(
      {.command = Perl("my $n = 0; sigaction(SIGRTMIN + 3, "
                       "POSIX::SigAction->new(sub {$n++})); print \"ready\\n\";"
                       "my $x = 0; until ($n == 400) {$x++} print \"$n\\n\""),
       .drive =
           [](Subject& subject) {
             REQUIRE(subject.Await("ready"));
             for (int i = 0; i < 400; ++i) {
               subject.Queue(SIGRTMIN + 3, i);
             }
           },
       .least_hops = 0});
}

}  // namespace
}  // namespace ssi::test
