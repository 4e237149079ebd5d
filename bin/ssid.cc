// ssid: the daemon of one node.
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include <CLI/CLI.hpp>

#include "base/files.h"
#include "command_line.h"
#include "node/daemon.h"
#include "node/options.h"
#include "proto/address.h"
#include "remote/guest_supervisor.h"

namespace {

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data()
                                                          : "node";
}

// CLI11 checks what it reads through these: an empty text means it is good.
std::string CheckSize(const std::string& text) {
  return ssi::ParseSize(text) ? "" : text + " is no size (like 4G)";
}
std::string CheckCpus(const std::string& text) {
  auto cpus = ssi::ParseCpuList(text);
  return cpus ? "" : cpus.error().message;
}
// Only its form: a name may come to exist later.
std::string CheckAddress(const std::string& text) {
  auto where = ssi::proto::ParseHostPort(text);
  if (!where) {
    return where.error().message;
  }
  return where->host.empty() || where->port == 0
             ? text + " names no node to connect to"
             : "";
}

}  // namespace

int main(int argc, char** argv) {
  // Executed by ssid itself: the supervisor of one job's guests.
  if (argc == 3 && std::string_view(argv[1]) == "guest-supervisor") {
    auto fd = ssi::ParseNumber<int>(argv[2]);
    return fd ? ssi::RunGuestSupervisor(*fd) : 2;
  }
  CLI::App app(
      "ssid: the daemon of one node of an ssi cluster. Every node of a cluster "
      "runs one, with the same key (ssictl init makes it). It accepts guests, "
      "and serves ssirun and ssictl of the same user on this machine.",
      "ssid");
  ssi::DaemonOptions options;
  options.name = HostName();
  std::string cpus;
  std::string memory;
  double grace = 60;
  bool no_guests = false;
  // The last one counts, so that a caller can add to a given command line.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_config("--config", "", "Read options from FILE (key = value)")
      ->type_name("FILE");
  app.add_option("--name", options.name, "Name of this node")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--listen", options.listen,
                 "HOST:PORT to listen on; port 0: any")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--advertise", options.advertise,
                 "HOST:PORT where the other nodes reach this one, if it is not "
                 "where it listens (behind NAT or a proxy)")
      ->type_name("ADDRESS")
      ->check(CheckAddress);
  app.add_option("--join", options.join,
                 "HOST:PORT of a member to join; may be repeated")
      ->type_name("ADDRESS")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--key", options.key_path,
                 "Cluster key (default $SSI_KEY or ~/.config/ssi/key)")
      ->type_name("FILE");
  app.add_flag("--foreground", options.foreground,
               "Stay in the foreground and log to stderr");
  app.add_option("--cpus", cpus, "CPUs of this node, like 0,2-3 (default all)")
      ->type_name("LIST")
      ->check(CheckCpus);
  app.add_option("--memory", memory,
                 "Memory that a guest may need at most, like 4G")
      ->type_name("SIZE")
      ->check(CheckSize);
  app.add_option("--max-guests", options.max_guests,
                 "Take at most N guests (0: no limit)")
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--no-guests", no_guests, "Take no guests");
  app.add_option("--grace", grace,
                 "Seconds that a process away may be out of reach before it is "
                 "ended; 5 to 86400")
      ->capture_default_str()
      ->check(CLI::Range(5.0, 86400.0))
      ->type_name("SECONDS");
  app.add_option("--ready-fd", options.ready_fd,
                 "Write \"PID ADDRESS\" to this descriptor when ready")
      ->type_name("FD");
  app.set_version_flag("--version", std::string("ssid ") + SSI_VERSION);
  auto ends =
      ssi::ParseCommandLine(app, [&app, argc, argv] { app.parse(argc, argv); });
  if (ends) {
    return *ends;
  }
  if (!cpus.empty()) {
    options.cpus = *ssi::ParseCpuList(cpus);
  }
  if (!memory.empty()) {
    options.memory = *ssi::ParseSize(memory);
  }
  options.grace = std::chrono::seconds(static_cast<long>(grace));
  options.accept_guests = !no_guests;
  return ssi::RunDaemon(std::move(options));
}
