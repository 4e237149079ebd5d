// What home does in a move of a process that leaves it.
#include <signal.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "deputy/home_move.h"
#include "deputy/movable.h"
#include "migration/image_wire.h"
#include "process/private_memory.h"
#include "process/threads.h"

namespace ssi {

using migration::Direction;
using migration::Role;

namespace {

// Files larger than this are not compared by their hash; the part that is
// mapped is sent.
constexpr std::uint64_t kMostHashed = std::uint64_t{256} << 20;

}  // namespace

std::uint64_t HomeMove::SizeOfProcess() const {
  return plan_.direction == Direction::kOnward
             ? plan_.size
             : PrivateMemoryOf(LivingThread(process_.pid));
}

void HomeMove::DescribeFiles(wire::AskDetails& details) {
  if (plan_.direction == Direction::kOnward) {
    for (const auto* file : process_.files.All()) {
      migration::FileToWire(*file, *details.add_files());
    }
    return;
  }
  if (auto vmas = ReadVmaRanges(LivingThread(process_.pid))) {
    std::map<std::uint32_t, bool> seen;
    for (const auto& vma : *vmas) {
      bool shared = vma.kind == Vma::Kind::kShared;
      if (vma.kind != Vma::Kind::kFile && !shared) {
        continue;
      }
      auto id =
          shared ? process_.files.FindShared(vma) : process_.files.Find(vma);
      if (id && !std::exchange(seen[*id], true)) {
        process_.files.LearnHash(*id, places_.hashes, kMostHashed);
        migration::FileToWire(*process_.files.Get(*id), *details.add_files());
      }
    }
  }
}

void HomeMove::DescribeAsk(wire::AskDetails& details) {
  details.set_home(places_.node);
  details.set_command(process_.command);
  details.set_possible_cpus(
      static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_CONF)));
  DescribeFiles(details);
  // Last, so that they are as new as can be when they arrive.
  details.set_realtime_ns(places_.clock.Real().count());
  details.set_monotonic_ns(places_.clock.Monotonic().count());
  details.set_boot_ns(places_.clock.Boot().count());
}

void HomeMove::FreezeHere() {
  (void)fault::Hit("home.freezing");
  froze_ = places_.clock.Monotonic();
  auto frozen =
      StandIn::Freeze(process_.pid, process_.found, migration::kFreezeLimit);
  if (!frozen) {
    // One that has ended meanwhile gives EPERM (ptrace_attach,
    // kernel/ptrace.c).
    auto why = frozen.error().code == ErrorCode::kRetry
                   ? std::nullopt
                   : WhyNotMovable(process_.pid, places_.baseline, true);
    Feed(Role::kSource,
         migration::StepFailed{why.value_or(frozen.error().message)});
    return;
  }
  process_.stand_in.emplace(*std::move(frozen));
  // Until it stood still it may have made a thread, or whatever else forbids.
  auto why = WhyNotMovable(process_.pid, places_.baseline, true);
  auto vmas = ReadVmas(process_.stand_in->living());
  if (!why) {
    why = vmas ? WhyAreasForbid(*vmas)
               : std::optional<std::string>(vmas.error().message);
  }
  if (!why) {
    why = process_.stand_in->WhyItStays();
  }
  Status status =
      why ? Status(std::unexpected(Error{ErrorCode::kUnsupported, *why, 0}))
          : process_.stand_in->Plant(*std::move(vmas));
  if (!status) {
    Feed(Role::kSource, migration::StepFailed{status.error().message});
    return;
  }
  Feed(Role::kSource, migration::Frozen{});
}

void HomeMove::SendImage() {
  (void)fault::Hit("home.sending");
  auto captured = process_.stand_in->Capture(process_.files);
  if (!captured) {
    Feed(Role::kSource, migration::StepFailed{captured.error().message});
    return;
  }
  ProcessImage& image = captured->image;
  for (auto& file : image.files) {
    process_.files.LearnHash(file.id, places_.hashes, kMostHashed);
    file = *process_.files.Get(file.id);
  }
  image.cpu_elsewhere = process_.history.CpuAway();
  for (auto& thread : image.threads) {
    auto used = process_.thread_cpu.find(HostPid{Raw(thread.tid)});
    if (used != process_.thread_cpu.end()) {
      thread.cpu_elsewhere = used->second;
    }
  }
  image.clock_floor = {places_.clock.Monotonic(), places_.clock.Boot()};
  image.coarse_floor = MonotonicCoarse();
  process_.signals = SignalState(image.actions);
  auto sources = migration::FileSourcesOf(
      *captured,
      [this](const MappedFile& file) { return process_.files.fd(file.id); });
  auto result = std::make_shared<Result<migration::SendResult>>();
  process_.session->RunBulk(
      [result, captured = *std::move(captured), sources = std::move(sources),
       pid = process_.stand_in->living()](proto::BulkStream& bulk) {
        *result = migration::StreamImage(bulk, captured, pid, sources);
      },
      [this, result] {
        if (*result) {
          bytes_ = (*result)->bytes;
          Feed(Role::kSource, migration::ImageSent{(*result)->checksum});
        } else {
          Feed(Role::kSource, migration::StepFailed{result->error().message});
        }
      });
}

void HomeMove::ResumeHere() {
  if (process_.session) {
    process_.session->StopBulk();  // it may still read the process
  }
  if (process_.stand_in) {
    auto status = process_.stand_in->Resume();
    if (!status && status.error().code != ErrorCode::kGone) {
      spdlog::error("process {} cannot go on: {}", Raw(process_.pid),
                    status.error().message);
    }
    hooks_.resumed();
  }
}

void HomeMove::EmptyStandIn() {
  (void)fault::Hit("home.emptying");
  auto status = process_.stand_in->Empty();
  if (status) {
    const StandIn& stand_in = *process_.stand_in;
    status = process_.stand_in->Serve([&stand_in](HostPid tid) {
      return stand_in.Find(tid)->image.signal_mask;
    });
  }
  if (!status && status.error().code != ErrorCode::kGone) {
    spdlog::error("process {}: stand-in: {}", Raw(process_.pid),
                  status.error().message);
  }
  hooks_.away();
}

void HomeMove::DestroyHere(const std::string& reason) {
  spdlog::debug("process {} is destroyed: {}", Raw(process_.pid), reason);
  ::kill(Raw(process_.pid), SIGKILL);
}

}  // namespace ssi
