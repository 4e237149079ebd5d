#include "deputy/explain_report.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/wrapped.h"

namespace ssi {

namespace {

using supervisor::AwayAssumptions;

double Micros(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

// What the figures rest on, for whoever reads them.
void AddNotes(const AwayAssumptions& assumed, wire::Explanation& to) {
  to.add_notes(
      fmt::format("A call asked of home takes {:.0f} us, one answered there "
                  "{:.0f} us, a hop {:.0f} ms; the link carries {:.0f} MB/s. "
                  "Yours differ: --assume.",
                  Micros(assumed.round_trip), Micros(assumed.notified),
                  Micros(assumed.hop) / 1000, assumed.bytes_per_second / 1e6));
  to.add_notes(
      "All processes of CMD are taken as if they were away, and each call that "
      "comes home as a hop there and one back.");
  to.add_notes(
      "Local calls are let through unseen, as away: neither counted nor "
      "slowed. A change of the signal mask counts as asked of home unless it "
      "only blocks.");
  to.add_notes(
      "Bytes are the results of reads and writes. Files that are mapped are "
      "not in them: they are sent only to a node that does not have them.");
  to.add_notes(
      "CMD was traced, with no_new_privs: set-uid programs had no privilege, "
      "and debuggers did not work.");
}

std::string Time(double seconds) {
  return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1000)
                     : fmt::format("{:.2f} s", seconds);
}

std::string Bytes(std::uint64_t bytes) {
  return bytes == 0 ? "-" : FormatSize(bytes);
}

std::string ClassTable(const wire::Explanation& from) {
  std::string text = fmt::format("{:<12} {:>10} {:>14} {:>12}\n", "CLASS",
                                 "CALLS", "ASKED OF HOME", "BYTES");
  for (const auto& sum : from.classes()) {
    text += fmt::format("{:<12} {:>10} {:>14} {:>12}\n", sum.class_(),
                        sum.count(), sum.round_trips(), Bytes(sum.bytes()));
  }
  return text + fmt::format("{:<12} {:>10}\n", "local", "not seen");
}

std::vector<wire::ExplainedCall> MostFirst(const wire::Explanation& from) {
  std::vector<wire::ExplainedCall> calls(from.calls().begin(),
                                         from.calls().end());
  std::stable_sort(
      calls.begin(), calls.end(),
      [](const auto& a, const auto& b) { return a.count() > b.count(); });
  return calls;
}

// The reasons are told elsewhere.
std::string NumberTable(const wire::Explanation& from) {
  wire::Explanation sums;
  std::map<std::pair<int, std::string>, wire::ExplainedCall*> by_number;
  for (const auto& call : from.calls()) {
    auto*& sum = by_number[{call.number(), call.class_()}];
    if (sum == nullptr) {
      sum = sums.add_calls();
      *sum = call;
    } else {
      sum->set_count(sum->count() + call.count());
      sum->set_bytes(sum->bytes() + call.bytes());
    }
  }
  std::string text = fmt::format("{:>10} {:>7} {:<22} {:<12} {:>12}\n", "CALLS",
                                 "NUMBER", "NAME", "CLASS", "BYTES");
  for (const auto& call : MostFirst(sums)) {
    text += fmt::format("{:>10} {:>7} {:<22} {:<12} {:>12}\n", call.count(),
                        call.number(), call.name(), call.class_(),
                        Bytes(call.bytes()));
  }
  return text;
}

std::string ComeHomeTable(const wire::Explanation& from) {
  std::string text;
  for (const auto& call : MostFirst(from)) {
    if (!call.comes_home().empty()) {
      text += Wrapped(fmt::format("{:>10} {:<22} ", call.count(), call.name()),
                      fmt::format("{} ({})", call.reason(), call.comes_home()));
    }
  }
  return text.empty() ? "Nothing would come home.\n"
                      : "Would come home, and why:\n" + text;
}

std::string EstimateText(const wire::ExplainedCost& cost) {
  std::string text =
      fmt::format("Estimated cost away: {}\n", Time(cost.seconds()));
  auto line = [&text](const std::string& what, double seconds) {
    text += fmt::format("  {:<50} {:>12}\n", what, Time(seconds));
  };
  line(fmt::format("{} calls asked of home, {} answered there",
                   cost.round_trips(), cost.answered_there()),
       cost.call_seconds());
  line(fmt::format("{} read and written",
                   cost.bytes() == 0 ? "nothing" : FormatSize(cost.bytes())),
       cost.data_seconds());
  line(fmt::format("{} calls that come home, two hops each", cost.come_home()),
       cost.hop_seconds());
  return text;
}

}  // namespace

Result<AwayAssumptions> ParseAssumptions(std::string_view text) {
  AwayAssumptions made;
  const std::map<std::string_view, std::function<void(double)>> fields = {
      {"call",
       [&made](double us) {
         made.round_trip = std::chrono::nanoseconds(std::llround(us * 1e3));
       }},
      {"hop",
       [&made](double ms) {
         made.hop = std::chrono::nanoseconds(std::llround(ms * 1e6));
       }},
      {"rate",
       [&made](double mb) {
         made.bytes_per_second = mb * 1e6;
       }},
  };
  while (!text.empty()) {
    auto part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    auto equals = part.find('=');
    auto field = fields.find(part.substr(0, equals));
    std::string number(
        equals == std::string_view::npos ? "" : part.substr(equals + 1));
    char* end = nullptr;
    double value = std::strtod(number.c_str(), &end);
    constexpr double kMost = 1e9;
    if (field == fields.end() || number.empty() || *end != '\0' ||
        !(value > 0 && value <= kMost)) {
      return Fail(ErrorCode::kInvalid,
                  "--assume {}: not call=MICROSECONDS, hop=MILLISECONDS or "
                  "rate=MB/S above 0",
                  part);
    }
    field->second(value);
  }
  return made;
}

void DescribeTally(const supervisor::CallTally& tally,
                   const AwayAssumptions& assumptions,
                   wire::Explanation& explanation) {
  wire::ExplainedClass* sum = nullptr;
  for (const auto& [key, row] : tally.rows()) {
    std::string name(supervisor::NameOf(row.call_class));
    if (sum == nullptr || sum->class_() != name) {
      sum = explanation.add_classes();
      sum->set_class_(name);
    }
    sum->set_count(sum->count() + row.count);
    sum->set_round_trips(sum->round_trips() + row.round_trips);
    sum->set_bytes(sum->bytes() + row.bytes);
    auto& call = *explanation.add_calls();
    call.set_number(row.number);
    call.set_name(std::string(row.name));
    call.set_class_(name);
    if (row.call_class == supervisor::CallClass::kComeHome) {
      call.set_comes_home(std::string(supervisor::NameOf(row.comes_home)));
    }
    call.set_reason(std::string(row.reason));
    call.set_count(row.count);
    call.set_round_trips(row.round_trips);
    call.set_bytes(row.bytes);
  }
  auto estimate = supervisor::Estimate(tally, assumptions);
  auto& cost = *explanation.mutable_cost();
  cost.set_seconds(estimate.Sum().count());
  cost.set_round_trips(estimate.round_trips);
  cost.set_answered_there(estimate.notified);
  cost.set_bytes(estimate.bytes);
  cost.set_come_home(estimate.comes_home);
  cost.set_call_seconds(estimate.calls.count());
  cost.set_data_seconds(estimate.data.count());
  cost.set_hop_seconds(estimate.hops.count());
  cost.set_assumed_call_us(Micros(assumptions.round_trip));
  cost.set_assumed_answer_us(Micros(assumptions.notified));
  cost.set_assumed_hop_ms(Micros(assumptions.hop) / 1000);
  cost.set_assumed_bytes_per_second(assumptions.bytes_per_second);
  AddNotes(assumptions, explanation);
}

std::string ExplanationText(const wire::Explanation& explanation) {
  std::string text = "ssirun: what would happen to the calls of CMD away\n\n";
  text += ClassTable(explanation) + "\n";
  text += NumberTable(explanation) + "\n";
  text += ComeHomeTable(explanation) + "\n";
  text += EstimateText(explanation.cost()) + "\n";
  for (const auto& note : explanation.notes()) {
    text += Wrapped("- ", note);
  }
  return text;
}

}  // namespace ssi
