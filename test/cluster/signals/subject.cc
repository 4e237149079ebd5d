#include "cluster/signals/subject.h"

#include <signal.h>

#include <sstream>

#include <catch2/catch.hpp>

namespace ssi::test {

using namespace std::chrono_literals;

std::string NameOfMode(Mode mode) {
  switch (mode) {
    case Mode::kNative:
      return "natively";
    case Mode::kAway:
      return "--on n2";
    default:
      return "hopping";
  }
}

Subject::Subject(const Cluster* cluster, Mode mode,
                 const std::vector<std::string>& command, Spawn rest)
    : cluster_(cluster), mode_(mode) {
  rest.out = folder_.path() + "/out";
  rest.err = folder_.path() + "/err";
  if (mode == Mode::kNative) {
    rest.command = command;
    child_.emplace(rest);
    pid_ = child_->pid();
    return;
  }
  std::vector<std::string> options;
  if (mode == Mode::kAway) {
    options = {"--on", "n2"};
  }
  job_.emplace(*cluster, options, command, rest);
  pid_ = job_->CommandPid();
  if (mode == Mode::kHopping) {
    hopper_ = std::thread([this] { Hop(); });
  }
}

Subject::~Subject() {
  stop_ = true;
  if (hopper_.joinable()) {
    hopper_.join();
  }
}

namespace {
// It has ended or is stopped; or it moves by itself, home for a call or back.
bool MayRefuse(const std::string& reason) {
  for (const char* word : {"ended", "stopped", "under way", "already"}) {
    if (reason.find(word) != std::string::npos) {
      return true;
    }
  }
  return false;
}
}  // namespace

void Subject::Hop() {
  while (!stop_ && job_->CommandRuns()) {
    if (job_->MoveTo(hops_ % 2 == 0 ? "n2" : "n1")) {
      ++hops_;
    } else if (job_->CommandRuns() && !MayRefuse(job_->last_refusal())) {
      refused_ = job_->last_refusal();
      return;
    }
    (void)Eventually([this] { return stop_ || !job_->CommandRuns(); }, 100ms);
  }
}

bool Subject::IsAway() const {
  return cluster_ != nullptr && cluster_->Bodies("n2").size() == 1;
}

bool Subject::Await(const std::string& text, int count) {
  bool found = Eventually(
      [&] {
        std::istringstream lines(out());
        int seen = 0;
        for (std::string line; std::getline(lines, line);) {
          seen += line == text ? 1 : 0;
        }
        return seen >= count;
      },
      20s);
  if (found && mode_ == Mode::kAway) {
    CHECK(Eventually([this] { return IsAway() || !child().Runs(); }, 10s));
  }
  if (found && mode_ == Mode::kHopping) {
    // What follows is to meet a program that has moved.
    (void)Eventually([this] { return hops_ > 0 || !child().Runs(); }, 10s);
  }
  return found;
}

void Subject::Signal(int signal) const {
  ::kill(pid_, signal);
}

void Subject::Queue(int signal, int value) const {
  sigval sent{};
  sent.sival_int = value;
  ::sigqueue(pid_, signal, sent);
}

std::optional<int> Subject::End(std::chrono::milliseconds limit) {
  auto status = child().Wait(limit);
  stop_ = true;
  if (hopper_.joinable()) {
    hopper_.join();
  }
  return status;
}

std::string Subject::out() const {
  return ReadAllOf(folder_.path() + "/out");
}
std::string Subject::err() const {
  return ReadAllOf(folder_.path() + "/err");
}

void CheckScenario(const Scenario& scenario) {
  std::optional<int> native_status;
  std::string native_out;
  std::string native_err;
  {
    Subject subject(nullptr, Mode::kNative, scenario.command);
    INFO("natively");
    scenario.drive(subject);
    native_status = subject.End();
    native_out = subject.out();
    native_err = subject.err();
    INFO(native_out << native_err);
    REQUIRE(native_status);
  }
  Cluster cluster;
  std::vector<Mode> modes = {Mode::kAway};
  if (scenario.hopping) {
    modes.push_back(Mode::kHopping);
  }
  for (Mode mode : modes) {
    Subject subject(&cluster, mode, scenario.command);
    INFO(NameOfMode(mode));
    scenario.drive(subject);
    auto status = subject.End();
    INFO("log of n2:\n" << cluster.log("n2"));
    CHECK(Describe(status) == Describe(native_status));
    CHECK(status == native_status);
    CHECK(subject.out() == native_out);
    CHECK(subject.err() == native_err);
    if (mode == Mode::kHopping) {
      CHECK(subject.refused() == "");
      CHECK(subject.hops() >= scenario.least_hops);
    }
  }
}

}  // namespace ssi::test
