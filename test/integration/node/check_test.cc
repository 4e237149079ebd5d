// `ssictl check` on this machine, and on others that are played.
#include "node/check.h"

#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "base/files.h"
#include "check_support.h"
#include "node/check_table.h"

namespace ssi {
namespace {

using test::Children;
using test::Find;
using test::Forced;
using test::InChild;
using test::NotOk;

// This process becomes an ordinary user, for good.
bool BecomeOrdinaryUser() {
  const passwd* user = ::getpwnam("u");
  if (user == nullptr) {
    user = ::getpwnam("nobody");
  }
  bool good = user != nullptr && ::setgroups(0, nullptr) == 0 &&
              ::setgid(user->pw_gid) == 0 && ::setuid(user->pw_uid) == 0;
  // As after an exec by that user: its own files in /proc are its own again.
  ::prctl(PR_SET_DUMPABLE, 1);
  return good;
}

// This process and its children get `err` from the system call `number`.
bool Forbid(unsigned number, unsigned err) {
  std::array code = {
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | err},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  sock_fprog program{code.size(), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// One result as text.
std::string Text(const CheckResult& result) {
  return fmt::format("{} {} | {} | {}\n", CheckStateName(result.state),
                     result.id, result.detail, result.advice);
}

}  // namespace

TEST_CASE("all checks are ok here", "[check]") {
  auto before = Children();
  auto results = RunChecks();
  INFO(FormatChecks(results));
  CHECK(NotOk(results).empty());
  CHECK(UsabilityOf(results) == Usability::kFull);
  CHECK(CheckExitStatus(results) == 0);
  CHECK(results.size() == CheckTable().size());
  CHECK(Children() == before);
}

TEST_CASE("all checks are ok for an ordinary user", "[check]") {
  if (::geteuid() != 0) {
    return;  // the test above was it
  }
  std::string found = InChild([] {
    if (!BecomeOrdinaryUser()) {
      return std::string("cannot become another user");
    }
    auto results = RunChecks();
    std::string bad = NotOk(results);
    return bad.empty() ? "good" : bad + FormatChecks(results);
  });
  CHECK(found == "good");
}

TEST_CASE("the table is complete", "[check]") {
  std::set<std::string_view> ids;
  for (const auto& row : CheckTable()) {
    INFO(row.id);
    CHECK(ids.insert(row.id).second);
    CHECK(!row.what.empty());
    CHECK(!row.purpose.empty());
    CHECK(row.id.size() <= 16);
    CHECK(row.what.size() + row.purpose.size() <= 70);
    CHECK(row.advice.ends_with('.') != row.advice.ends_with('?'));
    CHECK((row.needs.empty() || ids.contains(row.needs)));
    CHECK(row.probe != nullptr);
  }
}

TEST_CASE("each check can be forced to count as absent", "[check]") {
  // All at once: no probe runs, so this says what each row does then.
  std::string all;
  for (const auto& row : CheckTable()) {
    all += fmt::format("-{},", row.id);
  }
  Forced forced(all.c_str());
  for (const auto& result : RunChecks()) {
    INFO(result.id);
    CHECK(result.state ==
          (result.required ? CheckResult::kMissing : CheckResult::kDegraded));
    bool root = result.detail.find("SSI_PROBE") != std::string::npos;
    CHECK(root != result.detail.starts_with("not tried: needs "));
    CHECK(!result.advice.empty());
  }
}

TEST_CASE("a forced absence shows, with what to do", "[check]") {
  Forced forced("avx2,-seccomp_addfd,-pagemap_scan");
  auto results = RunChecks();
  const auto& required = Find(results, "seccomp_addfd");
  CHECK(required.state == CheckResult::kMissing);
  CHECK(required.advice.find("5.9") != std::string::npos);
  const auto& optional = Find(results, "pagemap_scan");
  CHECK(optional.state == CheckResult::kDegraded);
  // What rests on it is not tried.
  CHECK(Find(results, "wp_async").detail == "not tried: needs pagemap_scan");
  CHECK(Find(results, "seccomp_notify").state == CheckResult::kOk);
  CHECK(CheckExitStatus(results) == 1);

  std::string text = FormatChecks(results);
  INFO(text);
  CHECK(text.find("\nMISSING   seccomp_addfd") != std::string::npos);
  CHECK(text.find("\ndegraded  pagemap_scan") != std::string::npos);
  CHECK(text.find("to do:   This node takes no guests.") != std::string::npos);
  CHECK(text.find("1 missing") != std::string::npos);
}

TEST_CASE("only what is required decides", "[check]") {
  Forced forced("-pagemap_scan,-futex_waitv,-kernel");
  auto results = RunChecks();
  CHECK(Find(results, "kernel").state == CheckResult::kDegraded);
  CHECK(CheckExitStatus(results) == 0);
}

TEST_CASE("a machine without user namespaces can be home", "[check]") {
  Forced forced("-user_namespace");
  auto results = RunChecks();
  CHECK(UsabilityOf(results) == Usability::kHomeOnly);
  CHECK(CheckExitStatus(results) == 1);
  CHECK(Find(results, "user_namespace").guests_only);
  CHECK(Find(results, "set_tid").advice == "See user_namespace.");
  CHECK(CheckSummary(results).ends_with("takes no guests."));
}

TEST_CASE("checks work for a caller that ignores and blocks signals",
          "[check]") {
  std::string bad = InChild([] {
    ::signal(SIGCHLD, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    return NotOk(RunChecks());
  });
  CHECK(bad.empty());
}

TEST_CASE("a kind of namespace that is used up is named", "[check]") {
  // The limits of a user namespace are its own, so this disturbs nobody.
  std::string found = InChild([] {
    std::string users = fmt::format("0 {} 1", ::geteuid());
    std::string groups = fmt::format("0 {} 1", ::getegid());
    if (::unshare(CLONE_NEWUSER) != 0 ||
        !WriteProcFile("/proc/self/setgroups", "deny") ||
        !WriteProcFile("/proc/self/gid_map", groups) ||
        !WriteProcFile("/proc/self/uid_map", users) ||
        !WriteProcFile("/proc/sys/user/max_net_namespaces", "0")) {
      return std::string("cannot play it");
    }
    auto results = RunChecks();
    return Text(Find(results, "user_namespace")) +
           Text(Find(results, "namespaces")) + Text(Find(results, "sandbox"));
  });
  INFO(found);
  CHECK(found.find("ok user_namespace") != std::string::npos);
  CHECK(found.find("missing namespaces | refused: net (ENOSPC)") !=
        std::string::npos);
  CHECK(found.find("user.max_net_namespaces is 0") != std::string::npos);
  CHECK(found.find("missing sandbox | not tried: needs namespaces") !=
        std::string::npos);
}

TEST_CASE("a container without ptrace shows as such", "[check]") {
  std::string found = InChild([] {
    if (!Forbid(SYS_ptrace, EPERM)) {
      return std::string("cannot play it");
    }
    auto results = RunChecks();
    return Text(Find(results, "trace_child")) +
           Text(Find(results, "injection")) +
           Text(Find(results, "process_memory")) + CheckSummary(results);
  });
  INFO(found);
  CHECK(found.find("missing trace_child | ptrace SEIZE of") !=
        std::string::npos);
  CHECK(found.find("under a seccomp filter") != std::string::npos);
  CHECK(found.find("missing injection | not tried: needs trace_child | See "
                   "trace_child.") != std::string::npos);
  CHECK(found.find("ok process_memory") != std::string::npos);
  CHECK(found.find("Nothing can move") != std::string::npos);
}

TEST_CASE("an older kernel is only degraded", "[check]") {
  std::string found = InChild([] {
    if (!Forbid(SYS_futex_waitv, ENOSYS) || !Forbid(SYS_userfaultfd, ENOSYS)) {
      return std::string("cannot play it");
    }
    auto results = RunChecks();
    return Text(Find(results, "futex_waitv")) +
           Text(Find(results, "wp_async")) +
           fmt::format("status {}", CheckExitStatus(results));
  });
  INFO(found);
  CHECK(found.find("degraded futex_waitv | futex_waitv: Function not") !=
        std::string::npos);
  CHECK(found.find("degraded wp_async | userfaultfd: Function not") !=
        std::string::npos);
  CHECK(found.find("status 0") != std::string::npos);
}

TEST_CASE("the table for people is aligned and not too wide", "[check]") {
  Forced forced("-user_namespace,-trace_other");
  std::string text = FormatChecks(RunChecks());
  INFO(text);
  std::istringstream lines(text);
  std::size_t column = 0;
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    for (char c : line) {
      CHECK((c >= ' ' && c < 0x7f));
    }
    if (line.starts_with("ok ") || line.starts_with("MISSING ") ||
        line.starts_with("degraded ")) {
      // State and id are columns: the third begins at the same place.
      std::size_t id = line.find_first_not_of(' ', line.find(' '));
      std::size_t third = line.find_first_not_of(' ', line.find(' ', id));
      column = column == 0 ? third : column;
      CHECK(third == column);
    } else if (!line.empty() && line.front() == ' ') {
      CHECK(line.size() <= 79);
    }
  }
  CHECK(column != 0);
}

}  // namespace ssi
