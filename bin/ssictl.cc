// ssictl: looks at a cluster and steers it.
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include "base/files.h"
#include "base/paths.h"
#include "command_line.h"
#include "node/check.h"
#include "node/control_client.h"
#include "node/local_cluster.h"
#include "node/printing.h"
#include "proto/key.h"

namespace {

using ssi::wire::Request;
using ssi::wire::Response;

int Complain(const ssi::Error& error) {
  (void)std::fprintf(stderr, "ssictl: %s\n", error.message.c_str());
  return 1;
}

int Ask(const Request& request,
        const std::function<int(const Response&)>& print,
        std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  auto response = ssi::AskDaemon(ssi::ControlSocketPath(), request, limit);
  return response ? print(*response) : Complain(response.error());
}

int PrintText(const std::string& text) {
  std::cout << text << std::flush;
  return std::cout ? 0 : 1;
}

int Init(const std::string& path) {
  std::string where = path.empty() ? ssi::DefaultKeyPath() : path;
  auto folder = where.substr(0, where.rfind('/'));
  if (folder != where && !folder.empty() && path.empty()) {
    if (auto made = ssi::MakePrivateDir(folder); !made) {
      return Complain(made.error());
    }
  }
  if (auto key = ssi::proto::Key::Generate(where); !key) {
    return Complain(key.error());
  }
  return PrintText(fmt::format(
      "{}: the key of a new cluster. Copy it to every node (mode 0600) and "
      "start ssid there.\n",
      where));
}

int Move(std::int32_t pid, const std::string& node) {
  Request request;
  request.mutable_move()->set_pid(pid);
  request.mutable_move()->set_node(node);
  request.mutable_move()->set_wait(true);
  return Ask(
      request,
      [pid](const Response& response) {
        const auto& move = response.move();
        if (move.outcome() == "moved") {
          return PrintText(fmt::format("process {} is on {} ({:.1f} ms)\n", pid,
                                       move.node(), move.milliseconds()));
        }
        (void)std::fprintf(stderr, "ssictl: process %d was not moved: %s\n",
                           pid, move.reason().c_str());
        return 1;
      },
      std::chrono::minutes(60));
}

int PrintLocal(const std::vector<ssi::LocalNode>& nodes) {
  std::string text;
  for (const auto& node : nodes) {
    text += node.pid > 0 ? fmt::format("{}  up    pid {}  {}\n", node.name,
                                       node.pid, node.address)
                         : fmt::format("{}  down\n", node.name);
  }
  return PrintText(text);
}

void AddLocal(CLI::App& app, int& status) {
  auto* local =
      app.add_subcommand("local", "A cluster of several nodes on this machine");
  local->require_subcommand(1);
  auto* up = local->add_subcommand("up", "Start it");
  auto options = std::make_shared<ssi::LocalOptions>();
  up->add_option("-n,--nodes", options->nodes, "Number of nodes")
      ->type_name("N")
      ->capture_default_str();
  up->add_option("--shared", options->shared,
                 "Folder that all nodes see; may be repeated")
      ->type_name("FOLDER");
  up->add_option("--grace", options->grace_seconds,
                 "Seconds that a process away may be out of reach")
      ->type_name("SECONDS")
      ->capture_default_str();
  up->add_option("--ssid-option", options->more,
                 "One more word for the ssid of nodes 2 and up")
      ->group("");
  up->callback([options, &status] {
    auto nodes = ssi::LocalUp(*options);
    status = nodes ? PrintLocal(*nodes) : Complain(nodes.error());
  });
  local->add_subcommand("down", "End it")->callback([&status] {
    auto down = ssi::LocalDown();
    status = down ? 0 : Complain(down.error());
  });
  local->add_subcommand("status", "Show its daemons")->callback([&status] {
    auto nodes = ssi::LocalStatus();
    status = nodes ? PrintLocal(*nodes) : Complain(nodes.error());
  });
}

void AddListings(CLI::App& app, int& status) {
  auto json = std::make_shared<bool>(false);
  auto more = std::make_shared<bool>(false);
  auto* nodes = app.add_subcommand("nodes", "The nodes of the cluster");
  nodes->add_flag("--json", *json, "As JSON");
  nodes->callback([json, &status] {
    Request request;
    request.mutable_nodes();
    status = Ask(request, [&json](const Response& response) {
      return PrintText(*json ? ssi::AsJson(response.nodes())
                             : ssi::NodesTable(response.nodes()));
    });
  });
  auto* ps = app.add_subcommand(
      "ps", "The processes of this node's jobs, and its guests");
  ps->add_flag("--json", *json, "As JSON");
  ps->add_flag("-v,--verbose", *more,
               "A paragraph for each: CPU time by node, times frozen, calls by "
               "class, what came home and why");
  ps->callback([json, more, &status] {
    Request request;
    request.mutable_processes()->set_stats(*json || *more);
    status = Ask(request, [&](const Response& response) {
      const auto& processes = response.processes();
      return PrintText(*json   ? ssi::AsJson(processes)
                       : *more ? ssi::ProcessesText(processes)
                               : ssi::ProcessesTable(processes));
    });
  });
  auto* check = app.add_subcommand(
      "check", "Try what this machine must be able to do, and say what to do");
  check->add_flag("--json", *json, "As JSON");
  check->callback([json, &status] {
    auto results = ssi::RunChecks();
    (void)PrintText(*json ? ssi::AsJson(ssi::MakeCheckReport(results))
                          : ssi::FormatChecks(results));
    status = ssi::CheckExitStatus(results);
  });
  auto* why = app.add_subcommand(
      "why", "What happened to a process, and whether it can move");
  auto pid = std::make_shared<std::int32_t>(0);
  why->add_option("PID", *pid, "Of a process in ssictl ps")->required();
  why->add_flag("--json", *json, "As JSON");
  why->callback([json, pid, &status] {
    Request request;
    request.mutable_why()->set_pid(*pid);
    status = Ask(request, [&](const Response& response) {
      return PrintText(*json ? ssi::AsJson(response.why())
                             : ssi::WhyText(response.why()));
    });
  });
}

void AddSteering(CLI::App& app, int& status) {
  auto pid = std::make_shared<std::int32_t>(0);
  auto node = std::make_shared<std::string>();
  auto* migrate = app.add_subcommand(
      "migrate", "Move a process of this node's jobs to a node, and wait");
  migrate->add_option("PID", *pid, "Of a process in ssictl ps")->required();
  migrate->add_option("NODE", *node, "Of a node in ssictl nodes")->required();
  // It always waits. Scripts that say so are right.
  migrate->add_flag_callback(
      "--wait", [] {}, "Wait until it is there (always so)");
  migrate->callback([pid, node, &status] { status = Move(*pid, *node); });
  auto* home = app.add_subcommand("home", "Bring a process home, and wait");
  home->add_option("PID", *pid, "Of a process in ssictl ps")->required();
  home->add_flag_callback(
      "--wait", [] {}, "Wait until it is here (always so)");
  home->callback([pid, &status] { status = Move(*pid, ""); });
}

// The first word that should be a subcommand and is none, of which CLI11 would
// only say that a subcommand is required.
const char* UnknownSubcommand(CLI::App& app, int argc, char** argv) {
  CLI::App* at = &app;
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    if (at->get_subcommands([](const CLI::App*) { return true; }).empty()) {
      return nullptr;  // its arguments
    }
    auto named = at->get_subcommands(
        [&](const CLI::App* sub) { return sub->check_name(argv[i]); });
    if (named.empty()) {
      return argv[i];
    }
    at = named[0];
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("ssictl: look at an ssi cluster and steer it.", "ssictl");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("ssictl ") + SSI_VERSION);
  int status = 0;
  auto key = std::make_shared<std::string>();
  auto* init = app.add_subcommand("init", "Make the key of a new cluster");
  init->add_option("--key", *key,
                   "Where (default $SSI_KEY or ~/.config/ssi/key)")
      ->type_name("FILE");
  init->callback([key, &status] { status = Init(*key); });
  AddListings(app, status);
  AddSteering(app, status);
  AddLocal(app, status);
  if (const char* word = UnknownSubcommand(app, argc, argv)) {
    (void)std::fprintf(stderr, "ssictl: no subcommand %s (see ssictl --help)\n",
                       word);
    return ssi::kUsageStatus;
  }
  auto ends =
      ssi::ParseCommandLine(app, [&app, argc, argv] { app.parse(argc, argv); });
  return ends.value_or(status);
}
