#include "deputy/stats.h"

#include <google/protobuf/util/json_util.h>

#include "base/unique_fd.h"
#include "process/cpu_time.h"
#include "supervisor/call_table.h"

namespace ssi {

namespace {

double Seconds(Nanos time) {
  return std::chrono::duration<double>(time).count();
}

double Milliseconds(Nanos time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

void DescribeCall(int number, std::uint64_t count, wire::CallStats& stats) {
  stats.set_number(number);
  stats.set_count(count);
  if (const auto* row = supervisor::FindCall(number)) {
    stats.set_name(std::string(row->name));
    stats.set_class_(std::string(supervisor::NameOf(row->call_class)));
  }
}

void DescribeHops(const History& history, wire::ProcessStats& stats) {
  for (const auto& hop : history.moves()) {
    auto& to = *stats.add_hops();
    to.set_from(hop.from);
    to.set_to(hop.to);
    to.set_moved(hop.moved);
    to.set_reason(hop.reason);
    to.set_time(Seconds(hop.at));
    to.set_whole_ms(Milliseconds(hop.whole));
    to.set_frozen_ms(Milliseconds(hop.frozen));
    to.set_bytes(hop.bytes);
  }
  auto freezes = history.freezes();
  auto& freeze = *stats.mutable_freeze();
  freeze.set_count(freezes.count);
  freeze.set_last_ms(Milliseconds(freezes.last));
  freeze.set_min_ms(Milliseconds(freezes.min));
  freeze.set_median_ms(Milliseconds(freezes.median));
  freeze.set_max_ms(Milliseconds(freezes.max));
  freeze.set_total_ms(Milliseconds(freezes.total));
}

// The map is in the order of the classes.
void DescribeCalls(const AwayCallCounts& calls, wire::ProcessStats& stats) {
  wire::ClassStats* sum = nullptr;
  for (const auto& [key, counted] : calls) {
    std::string name(supervisor::NameOf(key.first));
    if (counted.count == 0) {
      continue;  // none that was begun
    }
    auto& call = *stats.add_calls();
    DescribeCall(key.second, counted.count, call);
    call.set_class_(name);
    call.set_answered_there(counted.answered_there);
    if (sum == nullptr || sum->class_() != name) {
      sum = stats.add_classes();
      sum->set_class_(name);
    }
    sum->set_count(sum->count() + counted.count);
    sum->set_answered_there(sum->answered_there() + counted.answered_there);
  }
}

void AddCpu(const std::string& node, const CpuTime& used,
            wire::ProcessStats& stats) {
  auto& to = *stats.add_cpu();
  to.set_node(node);
  to.set_user(Seconds(used.user));
  to.set_system(Seconds(used.system));
}

}  // namespace

void DescribeAtHome(pid_t pid, const std::string& command,
                    const std::string& home, wire::ProcessStats& stats) {
  stats.set_pid(pid);
  stats.set_command(command);
  AddCpu(home, CpuTimeOf(HostPid{pid}).value_or(CpuTime{}), stats);
}

void DescribeMoved(const Deputy& deputy, const std::string& home,
                   wire::ProcessStats& stats) {
  DescribeAtHome(Raw(deputy.pid()), deputy.command(), home, stats);
  DescribeHops(deputy.history(), stats);
  for (const auto& [node, used] : deputy.CpuByNode()) {
    AddCpu(node, used, stats);
  }
  auto calls = deputy.AwayCalls();
  for (const auto& [number, count] : deputy.HomeCalls()) {
    auto& call = *stats.add_home_calls();
    DescribeCall(number, count, call);
    // Of its arguments the class of the row says nothing.
    for (const auto& [key, counted] : calls) {
      if (key.second == number && counted.count > counted.answered_there &&
          key.first != supervisor::CallClass::kComeHome) {
        call.set_class_(std::string(supervisor::NameOf(key.first)));
      }
    }
  }
  for (const auto& [number, came] : deputy.history().came_home()) {
    auto& call = *stats.add_came_home();
    DescribeCall(number, came.count, call);
    call.set_reason(came.reason);
  }
  DescribeCalls(calls, stats);
}

Status WriteStats(const wire::JobStats& stats, int fd) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  auto status =
      google::protobuf::util::MessageToJsonString(stats, &text, options);
  if (!status.ok()) {
    return Fail(ErrorCode::kSystem, "stats: {}", status.ToString());
  }
  return WriteAll(fd, text.data(), text.size());
}

}  // namespace ssi
