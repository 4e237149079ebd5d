#include "node/printing.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "base/files.h"
#include "base/wrapped.h"
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

const std::string kHead = "    ";

std::string StateOf(const wire::ProcessStatus& process) {
  return process.guest() ? "guest" : process.state();
}

// "read 12, write 3": the most frequent first, and how many are left out.
std::string MostFrequent(
    const google::protobuf::RepeatedPtrField<wire::CallStats>& calls) {
  std::vector<wire::CallStats> sorted(calls.begin(), calls.end());
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const auto& a, const auto& b) { return a.count() > b.count(); });
  constexpr std::size_t kMost = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(sorted.size(), kMost); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", sorted[i].name(),
                        sorted[i].count());
  }
  return sorted.size() > kMost
             ? text + fmt::format(", {} others", sorted.size() - kMost)
             : text;
}

std::string FreezeText(const wire::FreezeStats& freeze) {
  return fmt::format(
      "frozen {:.1f} ms last, {:.1f} least, {:.1f} median, {:.1f} most, {:.1f} "
      "in all",
      freeze.last_ms(), freeze.min_ms(), freeze.median_ms(), freeze.max_ms(),
      freeze.total_ms());
}

std::string CallsText(const wire::ProcessStats& stats) {
  std::uint64_t answered = 0;
  std::string classes;
  for (const auto& sum : stats.classes()) {
    answered += sum.answered_there();
    classes += fmt::format("{}{} {}", classes.empty() ? "" : "; ", sum.class_(),
                           sum.count());
  }
  if (classes.empty()) {
    return "";
  }
  std::string text =
      Wrapped("    calls away: ",
              fmt::format("{} ({} answered there)", classes, answered));
  if (stats.home_calls_size() > 0) {
    text += Wrapped("    made at home: ", MostFrequent(stats.home_calls()));
  }
  for (const auto& call : stats.came_home()) {
    text += Wrapped(
        "    came home: ",
        fmt::format("{} {}: {}", call.name(), call.count(), call.reason()));
  }
  return text;
}

std::string StatsText(const wire::ProcessStatus& process) {
  const auto& stats = process.stats();
  std::string cpu;
  for (const auto& node : stats.cpu()) {
    cpu += fmt::format("{}{} {:.2f} s user {:.2f} s system",
                       cpu.empty() ? "" : ", ", node.node(), node.user(),
                       node.system());
  }
  std::string text = Wrapped("    CPU: ", cpu);
  if (stats.freeze().count() > 0) {
    text += Wrapped(kHead, fmt::format("{} hop{}, {}", process.hops(),
                                       process.hops() == 1 ? "" : "s",
                                       FreezeText(stats.freeze())));
  }
  return text + CallsText(stats);
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

std::string ProcessesTable(const wire::ProcessesResponse& processes) {
  std::vector<Row> rows = {{"PID", "HOME", "WHERE", "STATE", "HOPS", "CALLS",
                            "CAME-HOME", "CPU-HOME", "CPU-AWAY", "COMMAND"}};
  for (const auto& process : processes.processes()) {
    rows.push_back(
        {std::to_string(process.pid()), process.home(), process.where(),
         StateOf(process), std::to_string(process.hops()),
         std::to_string(process.home_calls()),
         std::to_string(process.came_home()),
         fmt::format("{:.2f}s", process.cpu_home()),
         fmt::format("{:.2f}s", process.cpu_away()), process.command()});
  }
  return Table(rows);
}

std::string ProcessesText(const wire::ProcessesResponse& processes) {
  std::string text;
  for (const auto& process : processes.processes()) {
    text += Wrapped(fmt::format("{}  ", process.pid()), process.command());
    text +=
        Wrapped(kHead, fmt::format("{} on {}, home {}, job {}",
                                   StateOf(process), process.where(),
                                   process.home(), process.job().substr(0, 8)));
    if (process.guest()) {
      text += Wrapped(kHead, fmt::format("CPU: {} {:.2f} s", process.where(),
                                         process.cpu_away()));
      continue;
    }
    text += process.has_stats()
                ? StatsText(process)
                : Wrapped(kHead, "(too many processes to tell more of each)");
    if (!process.last().empty()) {
      text += Wrapped("    last: ", process.last());
    }
  }
  return text;
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
