#include "process/cpu_features.h"

#include <cpuid.h>

#include <cstdint>
#include <set>
#include <sstream>
#include <string_view>

#include "base/files.h"
#include "base/taken_away.h"

namespace ssi {

namespace {

// Flags of /proc/cpuinfo that say something about the machine, not about what
// a program can execute; they may differ without harm.
const std::set<std::string_view>& NotForPrograms() {
  static const std::set<std::string_view> kNames = {"hypervisor",
                                                    "tsc_known_freq",
                                                    "constant_tsc",
                                                    "nonstop_tsc",
                                                    "arat",
                                                    "rep_good",
                                                    "nopl",
                                                    "apic",
                                                    "x2apic",
                                                    "mtrr",
                                                    "pge",
                                                    "mca",
                                                    "mce",
                                                    "pat",
                                                    "vme",
                                                    "de",
                                                    "pse",
                                                    "msr",
                                                    "pae",
                                                    "pse36",
                                                    "smep",
                                                    "smap",
                                                    "umip",
                                                    "tsc_adjust",
                                                    "tsc_deadline_timer",
                                                    "extd_apicid",
                                                    "cmp_legacy",
                                                    "cr8_legacy",
                                                    "osvw",
                                                    "topoext",
                                                    "nx",
                                                    "ht",
                                                    "fxsr_opt",
                                                    "pdpe1gb",
                                                    "xsaves",
                                                    "xsaveerptr",
                                                    "ibpb",
                                                    "ibrs",
                                                    "stibp",
                                                    "ssbd",
                                                    "cpuid",
                                                    "syscall",
                                                    "lm"};
  return kNames;
}

std::set<std::string> Words(const std::string& text) {
  std::set<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    words.insert(word);
  }
  return words;
}

// The size of the XSAVE area for the features that are enabled (cpuid 0xd,
// sub-leaf 0, ebx).
unsigned ExtendedStateSize() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kLeaf = 0xd;
  return __get_cpuid_count(kLeaf, 0, &eax, &ebx, &ecx, &edx) != 0 ? ebx : 0;
}

constexpr std::string_view kStatePrefix = "xstate=";

}  // namespace

std::string CpuFeatures() {
  std::string text;
  auto info = ReadFile("/proc/cpuinfo");
  auto away = TakenAway();
  if (info) {
    auto at = info->find("\nflags");
    auto colon = info->find(':', at);
    auto end = info->find('\n', at + 1);
    if (at != std::string::npos && colon < end) {
      for (const auto& word : Words(info->substr(colon + 1, end - colon - 1))) {
        if (!NotForPrograms().contains(word) && !away.contains(word)) {
          text += word + " ";
        }
      }
    }
  }
  text += fmt::format("{}{}", kStatePrefix, ExtendedStateSize());
  return text;
}

std::optional<std::string> MissingFeature(const std::string& has,
                                          const std::string& lacks) {
  auto there = Words(lacks);
  for (const auto& word : Words(has)) {
    if (there.contains(word)) {
      continue;
    }
    if (!word.starts_with(kStatePrefix)) {
      return word;
    }
    for (const auto& other : there) {
      if (other.starts_with(kStatePrefix)) {
        auto mine = ParseNumber<unsigned>(
            std::string_view(word).substr(kStatePrefix.size()));
        auto theirs = ParseNumber<unsigned>(
            std::string_view(other).substr(kStatePrefix.size()));
        if (!mine || !theirs || *theirs < *mine) {
          return fmt::format("an XSAVE area of {} bytes", mine.value_or(0));
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace ssi
