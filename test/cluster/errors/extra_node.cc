#include "cluster/errors/extra_node.h"

#include <signal.h>

#include <catch2/catch.hpp>

namespace ssi::test {

using namespace std::chrono_literals;

namespace {

Spawn DaemonOf(const Cluster& cluster, const ExtraNode::Plan& plan) {
  Spawn spawn;
  spawn.command = plan.under;
  for (const std::string& word :
       {plan.program, std::string("--foreground"), std::string("--name"),
        plan.name, std::string("--listen"), std::string("127.0.0.1:0"),
        std::string("--key"), cluster.runtime_dir() + "/local/key",
        std::string("--join"), cluster.address("n1")}) {
    spawn.command.push_back(word);
  }
  spawn.command.insert(spawn.command.end(), plan.options.begin(),
                       plan.options.end());
  spawn.environment = {
      {"SSI_RUNTIME_DIR", cluster.folder() + "/run-of-" + plan.name}};
  spawn.out = spawn.err = cluster.folder() + "/" + plan.name + ".log";
  return spawn;
}

}  // namespace

ExtraNode::ExtraNode(const Cluster& cluster, const Plan& plan)
    : cluster_(cluster),
      name_(plan.name),
      log_(cluster.folder() + "/" + plan.name + ".log"),
      daemon_(DaemonOf(cluster, plan)) {}

ExtraNode::~ExtraNode() {
  auto of_it = DescendantsOf(daemon_.pid());
  daemon_.Kill(SIGTERM);
  CHECK(daemon_.Wait(15s));
  for (pid_t pid : of_it) {
    CHECK(Eventually(
        [pid] { return StateOf(pid) == '-' || StateOf(pid) == 'Z'; }, 10s));
  }
}

void ExtraNode::AwaitUp() const {
  bool up = Eventually(
      [this] {
        auto nodes = cluster_.Ssictl({"nodes"});
        auto at = nodes.out.find(name_ + " ");
        return at != std::string::npos &&
               nodes.out.substr(at, nodes.out.find('\n', at) - at)
                       .find(" up ") != std::string::npos;
      },
      15s);
  INFO("log of " << name_ << ":\n" << log());
  REQUIRE(up);
}

bool ExtraNode::LogSays(const std::string& text) const {
  return Eventually([&] { return log().find(text) != std::string::npos; }, 10s);
}

}  // namespace ssi::test
