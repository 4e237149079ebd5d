#include "check_support.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "base/unique_fd.h"

namespace ssi::test {

Forced::Forced(const char* value) {
  ::setenv("SSI_PROBE", value, 1);
}
Forced::~Forced() {
  ::unsetenv("SSI_PROBE");
}

const CheckResult& Find(const std::vector<CheckResult>& results,
                        const std::string& id) {
  for (const auto& result : results) {
    if (result.id == id) {
      return result;
    }
  }
  FAIL("no check " << id);
  return results.front();
}

namespace {

// Depends on how the machine is set up, not on what its kernel can do.
bool IsOfTheMachine(const std::string& id) {
  static const std::set<std::string> kIds = {
      "kernel",     "trace_other", "pagemap_scan", "wp_async",
      "open_files", "memory",      "clock_source", "futex_waitv"};
  return kIds.contains(id);
}

}  // namespace

std::string NotOk(const std::vector<CheckResult>& results) {
  std::string text;
  for (const auto& result : results) {
    bool good =
        result.state == CheckResult::kOk ||
        (result.state == CheckResult::kDegraded && IsOfTheMachine(result.id));
    if (!good) {
      text += result.id + ": " + result.detail + "\n";
    }
  }
  return text;
}

std::set<pid_t> Children() {
  std::set<pid_t> children;
  auto text = ReadFile(fmt::format("/proc/{0}/task/{0}/children", ::getpid()));
  REQUIRE(text.has_value());
  std::istringstream stream(*text);
  for (pid_t pid = 0; stream >> pid;) {
    children.insert(pid);
  }
  return children;
}

std::string InChild(const std::function<std::string()>& body) {
  std::array<int, 2> fds{};
  REQUIRE(::pipe(fds.data()) == 0);
  pid_t child = ::fork();
  if (child == 0) {
    ::close(fds[0]);
    std::string text = body();
    (void)WriteAll(fds[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(fds[1]);
  UniqueFd from(fds[0]);
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t n = 1; n > 0;) {
    n = ::read(from.get(), part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return text;
}

}  // namespace ssi::test
