#include "supervisor/table_docs.h"

#include <span>

#include <fmt/format.h>

#include "supervisor/call_table.h"
#include "supervisor/option_args.h"

namespace ssi::supervisor {

namespace {

std::string ClassText(CallClass call_class, ComesHome comes_home) {
  if (comes_home == ComesHome::kNot) {
    return std::string(NameOf(call_class));
  }
  return fmt::format("{} ({})", NameOf(call_class), NameOf(comes_home));
}

// "argument 3 & 0x2f = 0x22: local (private anonymous)".
std::string RuleText(const ArgRule& rule) {
  std::string test;
  if (rule.test == ArgRule::Test::kIsNull) {
    test = fmt::format("argument {} = 0", rule.arg);
  } else if (rule.mask == 0xffffffff) {
    test = fmt::format("argument {} = {:#x}", rule.arg, rule.value);
  } else {
    test = fmt::format("argument {} & {:#x} = {:#x}", rule.arg, rule.mask,
                       rule.value);
  }
  std::string text =
      fmt::format("{}: {}", test, ClassText(rule.call_class, rule.comes_home));
  if (!rule.note.empty()) {
    text += fmt::format(" ({})", rule.note);
  }
  return text;
}

std::string Difference(const CallRow& row) {
  std::string text(row.note);
  if (row.name == "ioctl" || row.name == "prctl") {
    return text + "; the others are listed below";
  }
  for (const ArgRule& rule : row.rules) {
    text += (text.empty() ? "" : "; ") + RuleText(rule);
  }
  return text;
}

std::string OptionTable(std::string_view title,
                        const std::vector<OptionLine>& lines) {
  std::string text = fmt::format(
      "\n### {}\n\n| number | name | class | what differs "
      "|\n|---|---|---|---|\n",
      title);
  for (const OptionLine& line : lines) {
    text += fmt::format("| {:#x} | {} | {} | {} |\n", line.number, line.name,
                        ClassText(line.call_class, line.comes_home), line.note);
  }
  return text;
}

}  // namespace

std::string RenderTable() {
  std::string text =
      "| number | name | class | what differs away |\n|---|---|---|---|\n";
  for (const CallRow& row : AllCalls()) {
    text +=
        fmt::format("| {} | {} | {} | {} |\n", row.nr, row.name,
                    ClassText(row.call_class, row.comes_home), Difference(row));
  }
  text += OptionTable("ioctl requests", KnownIoctls());
  text += OptionTable("prctl options", KnownPrctls());
  return text;
}

}  // namespace ssi::supervisor
