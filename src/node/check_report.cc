// How the results of the checks are shown.
#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "node/check.h"

namespace ssi {

namespace {

constexpr std::size_t kStateWidth = 10;
// Of the lines below a result that is not ok.
constexpr std::size_t kIndent = kStateWidth;
constexpr std::size_t kLabelWidth = 9;
constexpr std::size_t kLineWidth = 79;

int CountOf(const std::vector<CheckResult>& results, CheckResult::State state) {
  return static_cast<int>(std::count_if(
      results.begin(), results.end(),
      [state](const CheckResult& result) { return result.state == state; }));
}

// In the table, what needs action catches the eye.
std::string_view ShownState(CheckResult::State state) {
  return state == CheckResult::kMissing ? "MISSING" : CheckStateName(state);
}

// "label" and `text` behind it, broken between words, as whole lines.
std::string Paragraph(std::string_view label, const std::string& text) {
  std::string lines;
  std::string line =
      fmt::format("{:{}}{:<{}}", "", kIndent, label, kLabelWidth);
  const std::size_t start = line.size();
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() > start && line.size() + 1 + word.size() > kLineWidth) {
      lines += line + "\n";
      line.assign(start, ' ');
    }
    line += (line.size() > start ? " " : "") + word;
  }
  return lines + line + "\n";
}

std::string FormatCheck(const CheckResult& result, std::size_t id_width) {
  std::string text =
      fmt::format("{:<{}}{:<{}}  {}: {}", ShownState(result.state), kStateWidth,
                  result.id, id_width, result.what, result.purpose);
  if (result.state == CheckResult::kOk) {
    if (!result.detail.empty()) {
      text += fmt::format(" ({})", result.detail);
    }
    return text + "\n";
  }
  text += "\n";
  if (!result.detail.empty()) {
    text += Paragraph("found:", result.detail);
  }
  if (!result.advice.empty()) {
    text += Paragraph("to do:", result.advice);
  }
  return text;
}

}  // namespace

std::string CheckSummary(const std::vector<CheckResult>& results) {
  std::string text =
      fmt::format("{} checks: {} ok, {} degraded, {} missing. ", results.size(),
                  CountOf(results, CheckResult::kOk),
                  CountOf(results, CheckResult::kDegraded),
                  CountOf(results, CheckResult::kMissing));
  switch (UsabilityOf(results)) {
    case Usability::kFull:
      return text + "This machine can be home and take guests.";
    case Usability::kHomeOnly:
      return text + "This machine can be home, but takes no guests.";
    case Usability::kNone:
      return text + "Nothing can move from or to this machine.";
  }
  return text;
}

std::string FormatChecks(const std::vector<CheckResult>& results) {
  std::size_t id_width = 0;
  for (const auto& result : results) {
    id_width = std::max(id_width, result.id.size());
  }
  std::string text;
  for (const auto& result : results) {
    text += FormatCheck(result, id_width);
  }
  return text + "\n" + CheckSummary(results) + "\n";
}

wire::CheckReport MakeCheckReport(const std::vector<CheckResult>& results) {
  wire::CheckReport report;
  for (const auto& result : results) {
    wire::CheckEntry& entry = *report.add_checks();
    entry.set_id(result.id);
    entry.set_what(result.what);
    entry.set_purpose(result.purpose);
    entry.set_state(std::string(CheckStateName(result.state)));
    entry.set_detail(result.detail);
    entry.set_advice(result.advice);
    entry.set_required(result.required);
    entry.set_guests_only(result.guests_only);
  }
  auto count = [&results](CheckResult::State state) {
    return static_cast<std::uint32_t>(CountOf(results, state));
  };
  auto usability = UsabilityOf(results);
  report.set_can_be_home(usability != Usability::kNone);
  report.set_takes_guests(usability == Usability::kFull);
  report.set_ok(count(CheckResult::kOk));
  report.set_degraded(count(CheckResult::kDegraded));
  report.set_missing(count(CheckResult::kMissing));
  report.set_summary(CheckSummary(results));
  return report;
}

}  // namespace ssi
