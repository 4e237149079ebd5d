#include "process/thread_call.h"

#include <fmt/format.h>

#include "base/files.h"

namespace ssi {

namespace {

// The next word of the line, which it takes away.
std::string_view Word(std::string_view& line) {
  auto size = std::min(line.find(' '), line.size());
  auto word = line.substr(0, size);
  line.remove_prefix(std::min(size + 1, line.size()));
  return word;
}

std::optional<std::uint64_t> Hexadecimal(std::string_view& line) {
  auto word = Word(line);
  constexpr int kBase = 16;
  return word.starts_with("0x")
             ? ParseNumber<std::uint64_t>(word.substr(2), kBase)
             : std::nullopt;
}

}  // namespace

std::optional<ThreadCall> ReadThreadCall(HostPid thread) {
  auto line = ReadFile(fmt::format("/proc/{}/syscall", Raw(thread)));
  return line ? ParseThreadCall(*line) : std::nullopt;
}

// "232 0x3 0x7ffc... ... SP PC", "-1 SP PC", "running"
std::optional<ThreadCall> ParseThreadCall(std::string_view line) {
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
  }
  ThreadCall call;
  if (line == "running") {
    call.running = true;
    return call;
  }
  auto first = Word(line);
  if (first != "-1") {
    call.number = ParseNumber<std::uint64_t>(first);
    if (!call.number) {
      return std::nullopt;
    }
    for (auto& arg : call.args) {
      auto value = Hexadecimal(line);
      if (!value) {
        return std::nullopt;
      }
      arg = *value;
    }
  }
  auto sp = Hexadecimal(line);
  if (!sp || !Hexadecimal(line) || !line.empty()) {
    return std::nullopt;
  }
  call.sp = RemoteAddr{*sp};
  return call;
}

}  // namespace ssi
