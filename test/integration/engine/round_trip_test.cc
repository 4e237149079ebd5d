// A program to another place and back with both halves in one process and no
// messages: the engine alone.
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "base/files.h"
#include "deputy/stand_in.h"
#include "process/page_reader.h"
#include "process/page_writer.h"
#include "remote/body.h"
#include "remote/sandbox.h"

namespace ssi {
namespace {

using namespace std::chrono_literals;

struct Child {
  pid_t pid = -1;
  UniqueFd out;

  std::string ReadLine() const {
    std::string line;
    char byte = 0;
    while (::read(out.get(), &byte, 1) == 1 && byte != '\n') {
      line += byte;
    }
    return line;
  }
  int Reap() const {
    int status = 0;
    REQUIRE(::waitpid(pid, &status, __WALL) == pid);
    return status;
  }
};

Child Run(const std::string& program, const std::string& argument) {
  std::array<int, 2> fds{};
  REQUIRE(::pipe(fds.data()) == 0);
  Child child;
  child.pid = ::fork();
  if (child.pid == 0) {
    ::dup2(fds[1], 1);
    ::close(fds[0]);
    ::close(fds[1]);
    std::string path = std::string(SSI_GUEST_DIR) + "/" + program;
    ::execl(path.c_str(), program.c_str(), argument.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(fds[1]);
  child.out = UniqueFd(fds[0]);
  return child;
}

void BlockChildSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

template <typename T>
T Must(Result<T> result) {
  if (!result) {
    FAIL(result.error().message);
  }
  return *std::move(result);
}
void Must(Status status) {
  if (!status) {
    FAIL(status.error().message);
  }
}

void CopyPages(HostPid from, HostPid to, const CapturedProcess& captured) {
  PageReader reader(from, captured.memory);
  PageWriter writer(to);
  for (auto batch = Must(reader.Next()); batch; batch = Must(reader.Next())) {
    Must(writer.Write(batch->runs, batch->data));
  }
}

// ALLOW for everything: what is tested here is the engine, not the filter.
const std::array kAllowAll = {sock_filter{0x06, 0, 0, 0x7fff0000}};

std::uint64_t CpuTicks(pid_t pid) {
  std::string stat = Must(ReadFile(fmt::format("/proc/{}/stat", pid)));
  auto at = stat.rfind(')');
  unsigned long user = 0;
  REQUIRE(std::sscanf(stat.c_str() + at + 2,
                      "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu",
                      &user) == 1);
  return user;
}

struct Away {
  Sandbox sandbox;
  std::map<std::uint32_t, UniqueFd> files;
  std::optional<Body> body;
};

std::unique_ptr<Away> SendAway(StandIn& stand_in, MappedFiles& mapped) {
  Must(stand_in.Plant(Must(ReadVmas(stand_in.living()))));
  auto captured = Must(stand_in.Capture(mapped));
  auto away = std::make_unique<Away>(Away{Must(Sandbox::Make()), {}, {}});
  Must(away->sandbox.SetClockOffsets(Must(OwnClockOffsets())));
  auto local_file = [&](std::uint32_t id) -> Result<const UniqueFd*> {
    SSI_ASSIGN(away->files[id], Open(mapped.Get(id)->path, O_RDONLY));
    return &away->files[id];
  };
  away->body.emplace(Must(Body::Build(away->sandbox, captured, local_file)));
  CopyPages(stand_in.living(), away->body->pid(), captured);
  Must(away->body->Finish(away->sandbox, kAllowAll));
  Must(stand_in.Empty());
  Must(away->body->Start());
  Must(away->body->tracee().Continue());
  return away;
}

void BringHome(Away& away, StandIn& stand_in, const MappedFiles& mapped,
               ProcessImage followed) {
  const Tracee& tracee = away.body->tracee();
  Must(tracee.Interrupt());
  REQUIRE(Must(tracee.Wait()).kind == Stop::Kind::kInterrupted);
  auto captured = Must(away.body->Capture(std::move(followed)));
  Must(stand_in.Refill(captured, mapped));
  CopyPages(away.body->pid(), stand_in.living(), captured);
  Must(stand_in.FinishRefill(captured.image.actions, {}));
  ::kill(Raw(away.body->pid()), SIGKILL);
  ::waitpid(Raw(away.body->pid()), nullptr, __WALL);
  Must(stand_in.Resume());
  Found left;
  Must(stand_in.Detach(left));
  CHECK(left.running.empty());
}

void RoundTrip(const std::string& program) {
  BlockChildSignal();
  Child native = Run(program, "4000");
  CHECK(native.ReadLine() == "start");
  std::string expected = native.ReadLine();
  int expected_status = native.Reap();

  Child child = Run(program, "4000");
  CHECK(child.ReadLine() == "start");
  MappedFiles mapped;
  Found found;
  auto stand_in = Must(StandIn::Freeze(HostPid{child.pid}, found, 200ms));
  Must(stand_in.Plant(Must(ReadVmas(stand_in.living()))));
  auto captured = Must(stand_in.Capture(mapped));
  // Back without having gone: the abort path. Then for real.
  Must(stand_in.Resume());
  Found left;
  Must(stand_in.Detach(left));
  CHECK(left.running.empty());

  auto again = Must(StandIn::Freeze(HostPid{child.pid}, found, 200ms));
  auto away = SendAway(again, mapped);
  std::uint64_t before = CpuTicks(Raw(away->body->pid()));
  std::uint64_t home_before = CpuTicks(child.pid);
  while (CpuTicks(Raw(away->body->pid())) < before + 10) {
    ::usleep(1000);  // until the witness has seen 100 ms of it
  }
  CHECK(CpuTicks(child.pid) <= home_before + 1);
  BringHome(*away, again, mapped, captured.image);
  CHECK(child.ReadLine() == expected);
  CHECK(child.Reap() == expected_status);
}

TEST_CASE("a static program goes to a sandbox and back", "[engine]") {
  RoundTrip("checksum_static");
}
TEST_CASE("a dynamic program goes to a sandbox and back", "[engine]") {
  RoundTrip("checksum");
}

}  // namespace
}  // namespace ssi
