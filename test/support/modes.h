// One program three times: natively, moved at its entry point, and hopping;
// the same bytes each time, and proof that it was away.
#ifndef SSI_TEST_SUPPORT_MODES_H_
#define SSI_TEST_SUPPORT_MODES_H_

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "support/cluster.h"

namespace ssi::test {

struct Program {
  std::string name{};
  // A shell script that makes the input files, run in each mode's folder.
  std::string setup{};
  std::vector<std::string> command{};
  std::string in{};  // file in the folder, for stdin
  // Scripts outside the job, joined to it by fifos: what `feed` prints is its
  // stdin, and `drain` reads its stdout.
  std::string feed{};
  std::string drain{};
  // Where its time goes. A program that computes has nine tenths of its user
  // time on the other node, and its stand-in less than a twentieth; one that
  // waits must once be fetched home with a call in flight there.
  enum class Kind { kComputes, kWaits } kind = Kind::kComputes;
  // Of a program's output, lines that say how long something took: left out of
  // the comparison (an extended regular expression).
  std::string without_lines{};
};

struct Timing {
  std::chrono::milliseconds hop_every{200};
  std::chrono::milliseconds limit{120000};
  std::size_t least_hops = 5;  // 0: too short to hop at all
  // A native run takes at least this long: on a faster machine the inputs
  // grow.
  double least_seconds = 3;
};

// The program for inputs of `scale` times their usual size.
using MakeProgram = std::function<Program(double scale)>;

// Runs the program in all three modes and compares; Catch2 assertions inside.
void CheckInAllModes(const MakeProgram& make, const Timing& timing = {});

// The wait status, output and files of one run.
struct RunResult {
  std::string status;
  std::string out;
  std::string err;
  // Path with its permissions, contents.
  std::vector<std::pair<std::string, std::string>> files;
};
RunResult ResultOf(const std::string& folder, const std::string& status,
                   const std::string& without_lines);
void CheckSame(const RunResult& native, const RunResult& moved);

}  // namespace ssi::test

#endif  // SSI_TEST_SUPPORT_MODES_H_
