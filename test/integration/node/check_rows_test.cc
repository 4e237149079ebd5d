// The checks with rows of our own: for what a probe can do wrong, and for what
// becomes of its answer.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <google/protobuf/util/json_util.h>

#include "base/files.h"
#include "check_support.h"
#include "node/check_table.h"
#include "node/hindrances.h"
#include "node/printing.h"
#include "node/probe_helper.h"

namespace ssi {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;
using test::Children;

Result<Found> Works() {
  return Found{"as it should"};
}
Result<Found> WorksPoorly() {
  return Found{"a bit", Found::Quality::kPoor};
}
Result<Found> Fails() {
  return FailErrno(ENOSYS, "try it");
}
Result<Found> Crashes() {
  std::abort();
}
// Hangs, deaf to what a person would try, with a child that is as well.
Result<Found> Hangs() {
  auto helper = Helper::Start([](int) -> int {
    ::signal(SIGTERM, SIG_IGN);
    for (;;) {
      ::pause();
    }
  });
  ::signal(SIGTERM, SIG_IGN);
  for (;;) {
    ::pause();
  }
}
// Ends well and leaves an orphan and a child behind.
Result<Found> Litters() {
  if (::fork() == 0) {
    if (::fork() == 0) {
      for (;;) {
        ::pause();
      }
    }
    for (;;) {
      ::pause();
    }
  }
  return Found{};
}
// A process of the mark's name shows whether anything survives.
constexpr const char* kMark = "ssi-test-mark";
Result<Found> LittersMarked() {
  if (::fork() == 0) {
    ::prctl(PR_SET_NAME, kMark);
    for (;;) {
      ::pause();
    }
  }
  // Until it has its name, so that the search below would find it.
  for (;;) {
    for (pid_t pid : Children()) {
      auto name = ReadFile(fmt::format("/proc/{}/comm", pid));
      if (name && name->starts_with(kMark)) {
        return Found{};
      }
    }
  }
}

bool MarkedProcessExists() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    auto name = ReadFile(entry.path().string() + "/comm");
    if (name && name->starts_with(kMark)) {
      return true;
    }
  }
  return false;
}

CheckRow Row(std::string_view id, Probe probe, Need need = Need::kRequired,
             std::string_view needs = "") {
  return {id,           "what it is", "what it is for",      need, needs,
          kNoHindrance, probe,        "What to do about it."};
}

}  // namespace

TEST_CASE("what a probe says becomes a result", "[check]") {
  const std::array rows = {Row("works", Works), Row("poor", WorksPoorly),
                           Row("fails", Fails),
                           Row("optional", Fails, Need::kOptional),
                           Row("above", Works, Need::kRequired, "fails")};
  auto results = RunChecks(rows);
  REQUIRE(results.size() == rows.size());
  CHECK(results[0].state == CheckResult::kOk);
  CHECK(results[0].detail == "as it should");
  CHECK(results[0].advice.empty());
  CHECK(results[1].state == CheckResult::kDegraded);
  CHECK(results[1].detail == "a bit");
  CHECK(results[1].advice == "What to do about it.");
  CHECK(results[2].state == CheckResult::kMissing);
  CHECK(results[2].detail.find("Function not implemented") !=
        std::string::npos);
  CHECK(results[3].state == CheckResult::kDegraded);
  CHECK_FALSE(results[3].required);
  CHECK(results[4].state == CheckResult::kMissing);
  CHECK(results[4].detail == "not tried: needs fails");
  CHECK(results[4].advice == "See fails.");
  CHECK(UsabilityOf(results) == Usability::kNone);
}

TEST_CASE("a check that hangs is ended, with all that it made", "[check]") {
  const std::array rows = {Row("hangs", Hangs), Row("works", Works)};
  auto before = Children();
  auto start = SteadyClock::now();
  auto results = RunChecks(rows, 200ms);
  CHECK(SteadyClock::now() - start < 5s);
  CHECK(results[0].state == CheckResult::kMissing);
  CHECK(results[0].detail == "the check did not end within 200 ms");
  CHECK(results[1].state == CheckResult::kOk);
  CHECK(Children() == before);
}

TEST_CASE("a check that crashes does no harm", "[check]") {
  const std::array rows = {Row("crashes", Crashes), Row("works", Works)};
  auto before = Children();
  auto results = RunChecks(rows);
  CHECK(results[0].state == CheckResult::kMissing);
  CHECK(results[0].detail.find("crashed") != std::string::npos);
  CHECK(results[1].state == CheckResult::kOk);
  CHECK(Children() == before);
}

TEST_CASE("a check leaves no process behind", "[check]") {
  const std::array rows = {Row("litters", Litters),
                           Row("marked", LittersMarked)};
  auto before = Children();
  auto results = RunChecks(rows);
  CHECK(results[0].state == CheckResult::kOk);
  CHECK(results[1].state == CheckResult::kOk);
  CHECK(Children() == before);
  CHECK_FALSE(MarkedProcessExists());
}

TEST_CASE("settings in the way are named", "[check]") {
  // A machine like Ubuntu 24.04, then a hardened one: played, not seen.
  std::string root = ssi::test::TemporaryName("ssi-check-test");
  REQUIRE(::mkdtemp(root.data()) != nullptr);
  auto set = [&root](const std::string& path, const std::string& value) {
    std::filesystem::path file = root + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << value << "\n";
  };
  CHECK(HindrancesInForce(~0U, root).empty());
  set("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1");
  set("/proc/sys/kernel/yama/ptrace_scope", "1");
  set("/proc/sys/user/max_user_namespaces", "96365");
  set("/proc/self/status", "Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0");
  auto namespaces = HindrancesInForce(kHindersNamespaces, root);
  CHECK(namespaces.find("apparmor_restrict_unprivileged_userns=0") !=
        std::string::npos);
  CHECK(namespaces.find("max_user") == std::string::npos);
  CHECK(HindrancesInForce(kHindersTracing, root).empty());
  CHECK(HindrancesInForce(kHindersStrangers, root).find("ptrace_scope is 1") !=
        std::string::npos);

  set("/proc/sys/kernel/unprivileged_userns_clone", "0");
  set("/proc/sys/kernel/yama/ptrace_scope", "3");
  set("/proc/sys/user/max_user_namespaces", "0");
  set("/proc/sys/vm/memfd_noexec", "2");
  set("/proc/sys/kernel/seccomp/actions_avail", "kill_process trap errno log");
  set("/proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1");
  auto all = HindrancesInForce(~0U, root);
  for (const char* part :
       {"unprivileged_userns_clone is 0", "ptrace_scope is 3",
        "max_user_namespaces is 0", "memfd_noexec is 2", "no user_notif",
        "no trace", "under a seccomp filter"}) {
    INFO(part);
    CHECK(all.find(part) != std::string::npos);
  }
  CHECK(HindrancesInForce(kNoHindrance, root).empty());
  std::filesystem::remove_all(root);
}

TEST_CASE("JSON has every field of every check", "[check]") {
  const std::array rows = {Row("works", Works),
                           Row("optional", Fails, Need::kOptional),
                           Row("fails", Fails)};
  auto report = MakeCheckReport(RunChecks(rows));
  std::string json = AsJson(report);
  INFO(json);
  for (const char* field : {"checks", "can_be_home", "takes_guests", "ok",
                            "degraded", "missing", "summary"}) {
    CHECK(json.find(fmt::format("\"{}\":", field)) != std::string::npos);
  }
  for (const char* field : {"id", "what", "purpose", "state", "detail",
                            "advice", "required", "guests_only"}) {
    INFO(field);
    std::size_t count = 0;
    std::string key = fmt::format("\"{}\":", field);
    for (std::size_t at = json.find(key); at != std::string::npos;
         at = json.find(key, at + 1)) {
      ++count;
    }
    CHECK(count == rows.size());
  }
  // And back: nothing is lost.
  wire::CheckReport again;
  REQUIRE(google::protobuf::util::JsonStringToMessage(json, &again).ok());
  CHECK(again.SerializeAsString() == report.SerializeAsString());
  CHECK_FALSE(again.can_be_home());
  CHECK_FALSE(again.takes_guests());
  CHECK(again.ok() == 1);
  CHECK(again.degraded() == 1);
  CHECK(again.missing() == 1);
  CHECK(again.checks(0).state() == "ok");
  CHECK(again.checks(1).state() == "degraded");
  CHECK_FALSE(again.checks(1).required());
  CHECK(again.checks(2).state() == "missing");
  CHECK(again.checks(2).advice() == "What to do about it.");
}

}  // namespace ssi
