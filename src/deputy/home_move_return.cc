// The way home, as home drives it: the target's part of the move.
#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "deputy/home_move.h"

namespace ssi {

void HomeMove::ReceiveImage() {
  (void)fault::Hit("home.receiving");
  auto image = std::make_shared<Result<CapturedProcess>>();
  process_.session->RunBulk(
      [image](proto::BulkStream& bulk) { *image = migration::ReadImage(bulk); },
      [this, image] {
        image_ = std::move(*image);
        OnImage();
      });
}

void HomeMove::OnSettled() {
  if (!process_.Away()) {
    return;
  }
  process_.threads.WhenIdle([this] {
    // Not from inside the job that has just ended.
    settle_timer_.Start(Nanos(0), [this] {
      settled_ = true;
      OnImage();
    });
  });
}

void HomeMove::OnImage() {
  if (!image_ || (!settled_ && *image_)) {
    return;
  }
  auto image = std::move(*std::exchange(image_, std::nullopt));
  Status status = image ? Status() : Status(std::unexpected(image.error()));
  if (status) {
    // What its body used there, exactly: the image knows what all used.
    CpuTime known = process_.history.CpuAway();
    const CpuTime& all = image->image.cpu_elsewhere;
    used_there_ = {std::max(Nanos(0), all.user - known.user),
                   std::max(Nanos(0), all.system - known.system)};
  }
  if (status) {
    floor_ = image->image.coarse_floor;
    process_.thread_cpu.clear();
    for (const auto& thread : image->image.threads) {
      process_.thread_cpu[HostPid{Raw(thread.tid)}] = thread.cpu_elsewhere;
    }
  }
  if (status && Raw(image->image.pid) != Raw(process_.pid)) {
    status = Fail(ErrorCode::kProtocol, "the image is of process {}",
                  Raw(image->image.pid));
  }
  if (status) {
    status = process_.stand_in->StopServing();
  }
  if (status) {
    refilled_ = true;
    status = process_.stand_in->Refill(*image, process_.files);
  }
  if (!image) {
    Feed(Role::kTarget, migration::StepFailed{status.error().message});
    return;
  }
  // Where it cannot be taken its contents are read all the same: the stream
  // must be able to carry it later.
  migration::Destination destination;
  destination.process = process_.stand_in->living();
  destination.nowhere = !status;
  auto checksum = std::make_shared<Result<migration::Checksum>>();
  for (const auto& run : image->memory.contents) {
    bytes_ += run.size;
  }
  process_.session->RunBulk(
      [checksum, contents = std::move(image->memory.contents),
       destination](proto::BulkStream& bulk) {
        *checksum = migration::ReadContents(bulk, contents, destination);
      },
      [this, checksum, status] {
        if (!status || !*checksum) {
          Feed(Role::kTarget,
               migration::StepFailed{!status ? status.error().message
                                             : checksum->error().message});
          return;
        }
        checksum_ = **checksum;
        Feed(Role::kTarget, migration::ImageArrived{});
      });
}

// Its last steps cannot be taken back: the stand-in gets the signals that were
// accepted away, for one. So they wait for HELD, after which home says GO in
// the same breath; until then the move can be given up.
void HomeMove::BeginRebuild() {
  if (!source_holds_) {
    rebuild_waits_ = true;
    return;
  }
  (void)fault::Hit("home.refilled");
  std::vector<CpuTimer> timers;
  if (process_.cpu_timers) {
    timers = process_.cpu_timers->Left();
  }
  auto status =
      process_.stand_in->FinishRefill(process_.signals.actions(), timers);
  if (!status) {
    Feed(Role::kTarget, migration::StepFailed{status.error().message});
    return;
  }
  Feed(Role::kTarget, migration::Rebuilt{checksum_});
}

void HomeMove::StartHere() {
  (void)fault::Hit("home.starting");
  if (process_.threads.StopLater()) {
    process_.stand_in->StopLater();
  }
  process_.history.CountHomeCalls(process_.threads.Counts());
  process_.threads.Clear();
  // Home's own clock is never behind the one that guests see, but its tick may
  // come after theirs.
  auto status = SleepWhileBehind([this] { return floor_ - MonotonicCoarse(); });
  if (status) {
    status = process_.stand_in->Resume();
  }
  if (!status) {
    Feed(Role::kTarget, migration::StepFailed{status.error().message});
    return;
  }
  process_.history.AddCpu(plan_.node, used_there_);
  hooks_.home();
  Feed(Role::kTarget, migration::Started{});
}

void HomeMove::DiscardRebuild() {
  rebuild_waits_ = false;
  // Nor may what waits for the last calls go on.
  process_.threads.WhenIdle(nullptr);
  settle_timer_.Stop();
  bool contents_follow = image_ && *image_;
  image_.reset();
  if (process_.session) {
    if (contents_follow) {
      process_.session->SpoilBulk();
    } else {
      process_.session->StopBulk();
    }
    process_.session->RenewBulk();  // for the next attempt, where it was broken
  }
  if (std::exchange(refilled_, false) && process_.stand_in) {
    auto status = process_.stand_in->AbortRefill();
    if (status) {
      status = process_.stand_in->Serve(
          [this](HostPid tid) { return process_.threads.MaskOf(tid); });
    }
    if (!status && status.error().code != ErrorCode::kGone) {
      spdlog::error("process {}: stand-in: {}", Raw(process_.pid),
                    status.error().message);
    }
  }
}

}  // namespace ssi
