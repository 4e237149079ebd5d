#include "deputy/history.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/files.h"
#include "process/cpu_time.h"

namespace ssi {

namespace {

double Milliseconds(Nanos time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

void History::Add(const Hop& hop) {
  if (hop.moved) {
    ++moved_;
  }
  if (moves_.size() < kMostMoves) {
    moves_.push_back(hop);
  }
  Note(hop.at, hop.moved
                   ? fmt::format("moved {} -> {} in {:.1f} ms, frozen {:.1f} "
                                 "ms, {} ({})",
                                 hop.from, hop.to, Milliseconds(hop.whole),
                                 Milliseconds(hop.frozen),
                                 FormatSize(hop.bytes), hop.reason)
                   : fmt::format("not moved {} -> {}: {}", hop.from, hop.to,
                                 hop.reason));
}

void History::Note(Nanos at, std::string text) {
  lines_.push_back({at, std::move(text)});
  if (lines_.size() > kMostLines) {
    lines_.pop_front();
  }
}

void History::CountHomeCalls(const std::map<int, std::uint64_t>& calls) {
  for (const auto& [number, count] : calls) {
    home_calls_[number] += count;
  }
}

void Add(AwayCallCounts& to, const AwayCallCounts& more) {
  for (const auto& [key, counted] : more) {
    auto& sum = to[key];
    sum.count += counted.count;
    sum.answered_there += counted.answered_there;
  }
}

void History::CountCalls(const AwayCallCounts& calls) {
  ssi::Add(calls_, calls);
}

History::Freezes History::freezes() const {
  Freezes made;
  std::vector<Nanos> times;
  for (const auto& hop : moves_) {
    if (hop.moved) {
      times.push_back(hop.frozen);
      made.total += hop.frozen;
      made.last = hop.frozen;
    }
  }
  if (times.empty()) {
    return made;
  }
  std::sort(times.begin(), times.end());
  made.count = static_cast<unsigned>(times.size());
  made.min = times.front();
  made.max = times.back();
  // Of an even number the lower one of the two: a time that was measured.
  made.median = times[(times.size() - 1) / 2];
  return made;
}

void History::AddCpu(const std::string& node, const CpuTime& used) {
  cpu_[node] = cpu_[node] + used;
}

CpuTime History::CpuAway() const {
  CpuTime sum;
  for (const auto& [node, used] : cpu_) {
    sum = sum + used;
  }
  return sum;
}

}  // namespace ssi
