#include "deputy/stats.h"

#include <google/protobuf/util/json_util.h>

#include "base/unique_fd.h"
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

}  // namespace

void DescribeForStats(const Deputy& deputy, wire::ProcessStats& stats) {
  stats.set_pid(Raw(deputy.pid()));
  stats.set_command(deputy.command());
  for (const auto& hop : deputy.history().moves()) {
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
  for (const auto& [node, used] : deputy.history().cpu()) {
    auto& to = *stats.add_cpu();
    to.set_node(node);
    to.set_user(Seconds(used.user));
    to.set_system(Seconds(used.system));
  }
  for (const auto& [number, count] : deputy.history().home_calls()) {
    DescribeCall(number, count, *stats.add_home_calls());
  }
  for (const auto& [number, count] : deputy.history().came_home()) {
    DescribeCall(number, count, *stats.add_came_home());
  }
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
