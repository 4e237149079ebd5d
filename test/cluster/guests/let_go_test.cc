// A process of many threads that ends as soon as its first thread goes on after
// a move: those that it kills before they are let go are reaped, or it would
// stay for good.
#include <sys/stat.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "support/cluster.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

bool Exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

TEST_CASE("a process that ends as it is let go", "[sample]") {
  Cluster cluster;
  constexpr int kTimes = 5;
  for (int i = 0; i < kTimes; ++i) {
    Spawn spawn;
    spawn.folder = cluster.folder() + "/" + std::to_string(i);
    REQUIRE(::mkdir(spawn.folder.c_str(), 0700) == 0);
    Job job(cluster, {}, {std::string(SSI_GUEST_DIR) + "/ends_when_let_go"},
            spawn);
    REQUIRE(job.CommandPid() > 0);
    bool away = job.MoveTo("n2");
    INFO(job.last_refusal());
    REQUIRE(away);
    std::ofstream(spawn.folder + "/arm") << "";
    REQUIRE(Eventually([&] { return Exists(spawn.folder + "/armed"); }, 10s));
    // A busy machine makes such gaps too: then it has ended before.
    (void)job.MoveTo("n1");
    CHECK(Describe(job.front().Wait(10s)) == "exit 7");
  }
}

}  // namespace
}  // namespace ssi::test
