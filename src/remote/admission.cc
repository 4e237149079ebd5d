#include "remote/admission.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/files.h"
#include "migration/compatibility.h"
#include "process/cpu_features.h"
#include "supervisor/call_payload.h"

namespace ssi {

namespace {

// A field of /proc/meminfo, in bytes.
std::uint64_t MemInfo(std::string_view field) {
  auto text = ReadFile("/proc/meminfo");
  if (!text) {
    return 0;
  }
  auto at = text->find(field);
  if (at == std::string::npos) {
    return 0;
  }
  auto rest = std::string_view(*text).substr(at + field.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" "), rest.size()));
  auto kib = ParseNumber<std::uint64_t>(rest.substr(0, rest.find(' ')));
  return kib.value_or(0) << 10;
}

std::optional<std::string> ReasonOfMemory(std::uint64_t size,
                                          const GuestPolicy& policy) {
  if (policy.memory_limit != 0 && size > policy.memory_limit) {
    return fmt::format("it needs {}, and {} gives a guest {}", FormatSize(size),
                       policy.node, FormatSize(policy.memory_limit));
  }
  // What is left must do for the node itself: an eighth of it stays.
  std::uint64_t available = MemInfo("MemAvailable:");
  if (available != 0 && size > available - available / 8) {
    return fmt::format("it needs {}, and {} has {} free", FormatSize(size),
                       policy.node, FormatSize(available));
  }
  return std::nullopt;
}

void WarnOfClock(const wire::AskDetails& details, const GuestPolicy& policy) {
  using namespace std::chrono_literals;
  constexpr Nanos kWorthALine = 50ms;  // design, section 5
  Nanos difference = SystemClock().Real() - Nanos(details.realtime_ns());
  if (difference > kWorthALine || difference < -kWorthALine) {
    spdlog::warn("{}: the clock of {} differs by {} ms from this node's",
                 policy.node, details.home(), difference / 1ms);
  }
}

}  // namespace

std::optional<std::string> ReasonToRefuse(const migration::Ask& ask,
                                          const wire::AskDetails& details,
                                          const GuestPolicy& policy) {
  if (!policy.refuse.empty()) {
    return policy.refuse;
  }
  std::string version = migration::CaptureVersion(supervisor::kPayloadVersion);
  if (ask.version != version) {
    return fmt::format("{} runs ssi {}, and home runs ssi {}", policy.node,
                       version, ask.version);
  }
  if (auto missing = MissingFeature(ask.features, CpuFeatures())) {
    return fmt::format("the CPU of {} lacks {}", policy.node, *missing);
  }
  if (auto reason = ReasonOfMemory(ask.size, policy)) {
    return reason;
  }
  bool numbered =
      policy.cpus.empty() || std::any_of(policy.cpus.begin(), policy.cpus.end(),
                                         [&details](unsigned cpu) {
                                           return cpu < details.possible_cpus();
                                         });
  if (!numbered) {
    return fmt::format("all CPU numbers of {} are beyond home's", policy.node);
  }
  WarnOfClock(details, policy);
  return std::nullopt;
}

}  // namespace ssi
