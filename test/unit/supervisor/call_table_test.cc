// The table's rows: complete, named as the kernel names them, and exactly the
// ones that come home which are meant to.
#include "supervisor/call_table.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <seccomp.h>

#include "supervisor/table_docs.h"

namespace ssi::supervisor {
namespace {

// Later than libseccomp 2.5.4.
const std::map<int, std::string> kNewerNames = {
    {335, "uretprobe"},         {336, "uprobe"},
    {451, "cachestat"},         {452, "fchmodat2"},
    {453, "map_shadow_stack"},  {454, "futex_wake"},
    {455, "futex_wait"},        {456, "futex_requeue"},
    {457, "statmount"},         {458, "listmount"},
    {459, "lsm_get_self_attr"}, {460, "lsm_set_self_attr"},
    {461, "lsm_list_modules"},  {462, "mseal"},
    {463, "setxattrat"},        {464, "getxattrat"},
    {465, "listxattrat"},       {466, "removexattrat"},
    {467, "open_tree_attr"},    {468, "file_getattr"},
    {469, "file_setattr"},
};

TEST_CASE("every number up to Linux 6.18 has a row, and no other", "[table]") {
  CHECK(AllCalls().size() == 383);
  for (int nr = -10; nr < 600; ++nr) {
    bool known = (nr >= 0 && nr <= 336) || (nr >= 424 && nr <= 469);
    INFO(nr);
    CHECK((FindCall(nr) != nullptr) == known);
    if (known) {
      CHECK(FindCall(nr)->nr == nr);
      CHECK(FindCall(FindCall(nr)->name) == FindCall(nr));
    }
  }
  CHECK(FindCall(0x40000000) == nullptr);
  CHECK(FindCall("no such call") == nullptr);
}

TEST_CASE("names are those of the kernel", "[table]") {
  for (const CallRow& row : AllCalls()) {
    char* known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, row.nr);
    INFO(row.nr << " " << row.name);
    if (auto newer = kNewerNames.find(row.nr); newer != kNewerNames.end()) {
      CHECK(row.name == newer->second);
    } else {
      REQUIRE(known != nullptr);
      CHECK(row.name == known);
    }
    std::free(known);
  }
}

std::vector<int> NumbersThatComeHome(ComesHome when) {
  std::vector<int> numbers;
  for (const CallRow& row : AllCalls()) {
    if (row.call_class == CallClass::kComeHome && row.comes_home == when) {
      numbers.push_back(row.nr);
    }
  }
  return numbers;
}

TEST_CASE("these calls come home for now, and no others", "[table]") {
  // mmap (9), ioctl (16) and prctl (157): what their rules do not name.
  CHECK(NumbersThatComeHome(ComesHome::kForNow) ==
        std::vector<int>{9,   16,  29,  30,  31,  36,  37,  38,  40,  41,  42,
                         43,  44,  45,  46,  47,  48,  49,  50,  51,  52,  53,
                         54,  55,  56,  57,  58,  59,  64,  65,  66,  67,  68,
                         69,  70,  71,  157, 188, 189, 190, 191, 192, 193, 194,
                         195, 196, 197, 198, 199, 206, 207, 208, 209, 210, 220,
                         222, 223, 224, 225, 226, 240, 241, 242, 243, 244, 245,
                         248, 249, 250, 253, 254, 255, 275, 276, 278, 288, 294,
                         299, 300, 301, 307, 310, 311, 312, 322, 326, 333, 424,
                         434, 438, 440, 448, 453, 463, 464, 465, 466});
}

TEST_CASE("these calls always come home, and no others", "[table]") {
  CHECK(NumbersThatComeHome(ComesHome::kPermanent) ==
        std::vector<int>{101, 155, 165, 166, 167, 168, 169, 172, 173,
                         175, 176, 246, 272, 298, 308, 313, 317, 320,
                         321, 323, 425, 426, 427, 428, 429, 430, 431,
                         432, 433, 442, 444, 445, 446, 467});
}

TEST_CASE("these arguments make other calls come home", "[table]") {
  using Line = std::tuple<std::string, ComesHome, std::uint32_t>;
  std::vector<Line> lines;
  for (const CallRow& row : AllCalls()) {
    for (const ArgRule& rule : row.rules) {
      if (rule.call_class == CallClass::kComeHome) {
        lines.emplace_back(row.name, rule.comes_home, rule.value);
      }
    }
  }
  constexpr auto kForNow = ComesHome::kForNow;
  constexpr auto kPermanent = ComesHome::kPermanent;
  CHECK(lines == std::vector<Line>{
                     {"madvise", kPermanent, 100},
                     {"madvise", kPermanent, 101},
                     {"sched_setscheduler", kPermanent, 1},
                     {"sched_setscheduler", kPermanent, 2},
                     {"sched_setscheduler", kPermanent, 6},
                     {"prctl", kPermanent, 22},
                     {"prctl", kPermanent, 35},
                     {"prctl", kForNow, 59},
                     {"arch_prctl", kForNow, 0x1012},
                     {"arch_prctl", kForNow, 0x4002},
                     {"arch_prctl", kForNow, 0x4004},
                     {"arch_prctl", kForNow, 0x5001},
                     {"arch_prctl", kForNow, 0x5002},
                     {"arch_prctl", kForNow, 0x5003},
                     {"arch_prctl", kForNow, 0x5004},
                 });
}

TEST_CASE("whatever comes home says why and for how long", "[table]") {
  for (const CallRow& row : AllCalls()) {
    INFO(row.name);
    bool comes_home = row.call_class == CallClass::kComeHome;
    CHECK((row.comes_home != ComesHome::kNot) == comes_home);
    CHECK((!comes_home || !row.note.empty()));
    for (const ArgRule& rule : row.rules) {
      bool rule_does = rule.call_class == CallClass::kComeHome;
      CHECK((rule.comes_home != ComesHome::kNot) == rule_does);
      CHECK((!rule_does || !rule.note.empty()));
    }
  }
}

TEST_CASE("rows that run where the process computes have no arguments",
          "[table]") {
  for (const CallRow& row : AllCalls()) {
    INFO(row.name);
    bool forwarded_by_rule =
        std::ranges::any_of(row.rules, [](const ArgRule& rule) {
          return rule.call_class == CallClass::kHome;
        });
    if (row.call_class == CallClass::kLocal ||
        row.call_class == CallClass::kLife) {
      CHECK_FALSE(forwarded_by_rule);
      CHECK(row.args[0].kind == ArgKind::kNone);
    }
  }
}

TEST_CASE("every reference of an argument is to a length", "[table]") {
  for (const CallRow& row : AllCalls()) {
    for (const Arg& arg : row.args) {
      bool counts = arg.kind == ArgKind::kArray || arg.kind == ArgKind::kData ||
                    arg.kind == ArgKind::kVector || arg.kind == ArgKind::kBits;
      INFO(row.name);
      if (counts) {
        CHECK(row.args.at(arg.ref).kind == ArgKind::kLength);
        CHECK(arg.size > 0);
        CHECK((arg.limit > 0 || arg.overlong == Overlong::kPieces));
      }
      // MarshalOut and the undo hints rely on it.
      CHECK((arg.overlong != Overlong::kPieces || &arg == &row.args[1]));
    }
  }
}

std::size_t RowsOf(const std::string& text, const std::string& start) {
  std::size_t count = 0;
  for (std::size_t at = text.find(start); at != std::string::npos;
       at = text.find(start, at + 1)) {
    ++count;
  }
  return count;
}

TEST_CASE("the documentation has one row per call", "[table]") {
  std::string text = RenderTable();
  CHECK(text == RenderTable());
  for (const CallRow& row : AllCalls()) {
    std::string start =
        "\n| " + std::to_string(row.nr) + " | " + std::string(row.name) + " | ";
    INFO(start);
    CHECK(RowsOf(text, start) == 1);
  }
  CHECK(text.find("| 323 | userfaultfd | come home (permanent) | ") !=
        std::string::npos);
  CHECK(RowsOf(text, " | TCGETS | home |") == 1);
  CHECK(RowsOf(text, " | PR_SET_NAME | both |") == 1);
}

}  // namespace
}  // namespace ssi::supervisor
