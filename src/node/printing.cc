#include "node/printing.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "base/files.h"
#include "node/options.h"

namespace ssi {

namespace {

using Row = std::vector<std::string>;

// Columns as wide as their longest cell, the last one as it comes.
std::string Table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i])
                                 : row[i];
    }
    text += line + "\n";
  }
  return text;
}

std::string ClockTime(double seconds) {
  auto time = static_cast<time_t>(seconds);
  std::tm parts{};
  ::localtime_r(&time, &parts);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%F %T", &parts);
  return fmt::format(
      "{}.{:03}", text.data(),
      static_cast<int>((seconds - static_cast<double>(time)) * 1000));
}

}  // namespace

std::string AsJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);
  return text;
}

std::string NodesTable(const wire::NodesResponse& nodes) {
  std::vector<Row> rows = {{"NODE", "STATE", "ADDRESS", "CPUS", "LOAD",
                            "MEMORY", "FREE", "GUESTS", "JOBS", "AGE",
                            "VERSION", "KERNEL"}};
  for (const auto& node : nodes.nodes()) {
    const auto& info = node.info();
    const auto& load = node.load();
    std::string state = node.state();
    if (!node.reason().empty() && node.state() != "up") {
      state += " (" + node.reason() + ")";
    }
    rows.push_back(
        {info.name(), state, info.address(),
         FormatCpuList({info.cpus().begin(), info.cpus().end()}),
         fmt::format("{:.2f}", load.load()), FormatSize(info.memory_total()),
         FormatSize(load.memory_free()), std::to_string(load.guests()),
         std::to_string(load.jobs()), fmt::format("{:.0f}s", node.age()),
         info.version(), info.kernel()});
  }
  return Table(rows);
}

std::string ProcessesTable(const wire::ProcessesResponse& processes,
                           bool more) {
  Row head = {"PID",   "HOME",      "WHERE",    "STATE",   "HOPS",
              "CALLS", "CAME-HOME", "CPU-HOME", "CPU-AWAY"};
  if (more) {
    head.insert(head.end(), {"JOB", "LAST"});
  }
  head.emplace_back("COMMAND");
  std::vector<Row> rows = {head};
  for (const auto& process : processes.processes()) {
    Row row = {std::to_string(process.pid()),
               process.home(),
               process.where(),
               process.guest() ? "guest" : process.state(),
               std::to_string(process.hops()),
               std::to_string(process.home_calls()),
               std::to_string(process.came_home()),
               fmt::format("{:.2f}s", process.cpu_home()),
               fmt::format("{:.2f}s", process.cpu_away())};
    if (more) {
      row.insert(row.end(), {process.job().substr(0, 8), process.last()});
    }
    row.push_back(process.command());
    rows.push_back(std::move(row));
  }
  return Table(rows);
}

std::string WhyText(const wire::WhyResponse& why) {
  const auto& process = why.process();
  std::string text = fmt::format(
      "process {} ({}): {} on {}, {} hop{}, {} calls executed at home\n",
      process.pid(), process.command(), process.state(), process.where(),
      process.hops(), process.hops() == 1 ? "" : "s", process.home_calls());
  text += why.cantmove().empty()
              ? std::string("can move now\n")
              : fmt::format("cannot move now: {}\n", why.cantmove());
  for (const auto& entry : why.history()) {
    text += fmt::format("{}  {}\n", ClockTime(entry.time()), entry.text());
  }
  return text;
}

}  // namespace ssi
