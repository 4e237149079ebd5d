// What the machine itself charges for the steps that a move and a forwarded
// call are made of, with nothing of ours around them: the floors that bench/run
// compares us with.
//
//   floors calls HOME_CPU AWAY_CPU ROUNDS        costs of the steps of a call
//   floors stream HOME_CPU AWAY_CPU MB           ms to stream MB of memory
//   floors spawn ROUNDS -- CMD... [-- CMD...]    ms from fork to exit, in turns
//
// Each prints one line of JSON.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench.h"

namespace ssi::bench {

namespace {

// Frame header, head of request or reply, buffer entries, bytes.
const Frames kFrames[] = {{"getppid", 72, 32},
                          {"fstat", 80, 184},
                          {"pread64", 80, 104},
                          {"write64", 144, 32}};

// How many bytes the reply leaves in the caller's memory.
std::size_t ResultBytes(const Frames& frames) {
  constexpr std::size_t kHeads = 40;
  return frames.reply > kHeads ? frames.reply - kHeads : 0;
}

int Calls(const Cpus& cpus, int rounds) {
  std::printf("{");
  for (const auto& frames : kFrames) {
    std::printf(
        "\"%s\": {\"tcp\": %.2f, \"tls\": %.2f, \"notification\": %.2f, "
        "\"agent\": %.2f}, ",
        frames.name.c_str(), TcpPingPong(cpus, frames, rounds),
        TlsPingPong(cpus, frames, rounds),
        Notification(cpus, ResultBytes(frames), rounds),
        AgentCall(cpus, frames.name, rounds));
  }
  std::printf("\"bare_ns\": %.1f, \"filtered_ns\": %.1f}\n",
              FilteredCall(cpus, false, rounds) * 1e3,
              FilteredCall(cpus, true, rounds) * 1e3);
  return 0;
}

int SpawnAll(int rounds, char** words) {
  std::vector<std::vector<char*>> commands;
  for (; *words != nullptr; ++words) {
    if (std::strcmp(*words, "--") == 0) {
      commands.emplace_back();
    } else if (!commands.empty()) {
      commands.back().push_back(*words);
    }
  }
  auto times = Spawn(commands, rounds);
  std::printf("[");
  for (std::size_t i = 0; i < times.size(); ++i) {
    std::printf("%s%.3f", i == 0 ? "" : ", ", times[i]);
  }
  std::printf("]\n");
  return 0;
}

int Main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "spawn" && argc > 3) {
    return SpawnAll(std::atoi(argv[2]), argv + 3);
  }
  if (argc != 5) {
    return 2;
  }
  Cpus cpus{std::atoi(argv[2]), std::atoi(argv[3])};
  if (mode == "calls") {
    return Calls(cpus, std::atoi(argv[4]));
  }
  if (mode == "stream") {
    auto megabytes = static_cast<std::size_t>(std::atol(argv[4]));
    std::printf("%.3f\n", Stream(cpus, megabytes));
    return 0;
  }
  return 2;
}

}  // namespace

}  // namespace ssi::bench

int main(int argc, char** argv) {
  return ssi::bench::Main(argc, argv);
}
