#include "cluster/channel/behind_proxy.h"

#include <catch2/catch.hpp>

namespace ssi::test {

namespace {

using namespace std::chrono_literals;

std::vector<std::string> Advertising(const std::string& address,
                                     std::vector<std::string> options) {
  for (const std::string& word : {std::string("--advertise"), address}) {
    options.insert(options.end(), {"--ssid-option=" + word});
  }
  return options;
}

}  // namespace

BehindProxy::BehindProxy(const std::vector<std::string>& options)
    : cluster_(2, Advertising(proxy_.address(), options)) {
  proxy_.LeadTo(cluster_.address("n2"));
  // n2 is known by what it says of itself.
  REQUIRE(Eventually(
      [this] {
        auto nodes = cluster_.Ssictl({"nodes"}).out;
        return nodes.find(proxy_.address()) != std::string::npos;
      },
      15s));
}

std::string BehindProxy::Why(pid_t pid) const {
  return cluster_.Ssictl({"why", std::to_string(pid)}).out;
}

std::vector<pid_t> ProcessesOf(const Cluster& cluster,
                               const std::string& node) {
  std::vector<pid_t> all = {cluster.daemon(node)};
  auto below = DescendantsOf(all[0]);
  all.insert(all.end(), below.begin(), below.end());
  return all;
}

}  // namespace ssi::test
