// The steps of a move that the machines ask of this side.
#include <cerrno>

#include <spdlog/spdlog.h>

#include "base/fault.h"
#include "migration/image_wire.h"
#include "migration/move_wire.h"
#include "proto/session_frames.h"
#include "remote/admission.h"
#include "remote/remote.h"

namespace ssi {

// ---- arrival ----------------------------------------------------------------

// Where a test has armed the point, the connection breaks there.
void Remote::CutAt(const char* point) {
  if (fault::Hit(point) == fault::Action::kCut) {
    channel_.Break(Error{ErrorCode::kGone, "cut for a test", 0});
  }
}

// A process that was accepted cannot be here after all.
void Remote::FailArrival(const Error& error) {
  const std::string& node = places_.policy.node;
  Feed(migration::StepFailed{
      error.sys_errno == ENOMEM
          ? fmt::format("{} is out of memory: {}", node, error.message)
          : fmt::format("{}: {}", node, error.message)});
}

void Remote::CheckAsk(const migration::Ask& ask) {
  CutAt("guest.asked");
  auto refused = ReasonToRefuse(ask, details_, places_.policy);
  if (refused) {
    spdlog::info("{}: refused: {}", name_, *refused);
    Feed(migration::Rejected{*refused});
    return;
  }
  // Looks at its own files now, while the process still runs at home.
  for (const auto& file : details_.files()) {
    (void)places_.files.Prepare(migration::FileFromWire(file), {});
  }
  CutAt("guest.accepting");
  Feed(migration::Admitted{"bulk"});
  later_.Call([this] { PrepareSandbox(); });
}

// While home freezes the process. One that cannot be made is tried again when
// it is needed, and then says why.
void Remote::PrepareSandbox() {
  if (!target_ || guest_ || over_) {
    return;
  }
  if (auto sandbox = Sandbox::Make()) {
    sandbox_.emplace(*std::move(sandbox));
  }
}

void Remote::ReceiveImage() {
  if (!bulk_.Good()) {
    when_bulk_ready_ = [this] {
      ReceiveImage();
    };
    return;
  }
  auto image = std::make_shared<Result<CapturedProcess>>();
  bulk_.Run(
      [image](proto::BulkStream& bulk) { *image = migration::ReadImage(bulk); },
      [this, image] { OnImage(std::move(*image)); });
}

Status Remote::PrepareFiles(const CapturedProcess& image,
                            migration::Destination& destination) {
  filling_.clear();
  for (const auto& file : image.image.files) {
    std::vector<MemoryRun> needed;
    for (const auto& area : image.image.areas) {
      if (area.file == file.id && area.vma.offset < file.size) {
        needed.push_back(
            {area.vma.offset,
             std::min(area.vma.size(), file.size - area.vma.offset)});
      }
    }
    SSI_ASSIGN(bool there, places_.files.Prepare(file, needed));
    if (!there) {
      destination.wanted.push_back(file.id);
      filling_.emplace_back(file, needed);
    }
  }
  return {};
}

void Remote::MakeGuest() {
  Guest::Hooks hooks;
  hooks.exited = [this](const wire::Exit& exit) {
    SendUsage();
    Transmit(proto::session::kExit, exit);
    Feed(migration::ProcessDied{"it ended"});
  };
  hooks.come_home = [this](const wire::ComeHome& come) {
    Transmit(proto::session::kComeHome, come);
  };
  hooks.life = [this](const wire::LifeRequest& request) {
    Transmit(proto::session::kLife, request);
  };
  hooks.frozen = [this] {
    Feed(migration::Frozen{});
  };
  hooks.settled = [this] {
    Feed(migration::HomeCallsSettled{});
  };
  guest_ = std::make_unique<Guest>(
      Guest::Places{places_.loop, places_.clock, channel_, places_.files},
      std::move(hooks));
}

void Remote::OnImage(Result<CapturedProcess> image) {
  if (over_ || !target_) {
    return;
  }
  CutAt("guest.image");
  if (!image) {
    FailArrival(image.error());
    return;
  }
  migration::Destination destination;
  MakeGuest();
  home_pid_ = Raw(image->image.pid);
  auto status = PrepareFiles(*image, destination);
  if (status) {
    LearnShift(image->image.clock_floor);
    status =
        guest_->Build(*image, shift_, std::exchange(sandbox_, std::nullopt));
  }
  if (!status) {
    FailArrival(status.error());
    return;
  }
  CutAt("guest.contents");
  destination.process = guest_->pid();
  std::map<std::uint32_t, int> descriptors;
  for (const auto& [file, needed] : filling_) {
    descriptors[file.id] = places_.files.Find(file)->get();
  }
  destination.write_file = [descriptors](std::uint32_t id, std::uint64_t offset,
                                         std::span<const std::byte> data) {
    return LocalFiles::WriteAt(descriptors.at(id), offset, data);
  };
  auto checksum = std::make_shared<Result<migration::Checksum>>();
  bulk_.Run(
      [checksum, contents = std::move(image->memory.contents),
       destination = std::move(destination)](proto::BulkStream& bulk) {
        *checksum = migration::ReadContents(bulk, contents, destination);
      },
      [this, checksum] { OnContents(std::move(*checksum)); });
}

// The clocks at the source's freeze have passed by now, so they are a second
// measurement. What was less long on its way is nearer to the truth.
void Remote::LearnShift(const ClockFloor& frozen) {
  shift_.monotonic =
      std::max(shift_.monotonic, frozen.monotonic - places_.clock.Monotonic());
  shift_.boot = std::max(shift_.boot, frozen.boot - places_.clock.Boot());
}

void Remote::OnContents(Result<migration::Checksum> checksum) {
  if (over_ || !target_) {
    return;
  }
  if (!checksum) {
    FailArrival(checksum.error());
    return;
  }
  for (const auto& [file, needed] : filling_) {
    places_.files.Filled(file, needed);
  }
  filling_.clear();
  checksum_ = *checksum;
  Feed(migration::ImageArrived{});
}

void Remote::BeginRebuild() {
  auto status = guest_->Finish();
  if (status) {
    CutAt("guest.rebuilt");
    status = places_.watchdog.Guard(guest_->init_pid_fd());
  }
  if (!status) {
    FailArrival(status.error());
    return;
  }
  Feed(migration::Rebuilt{checksum_});
}

void Remote::StartHere() {
  CutAt("guest.starting");
  if (auto status = guest_->Start(); !status) {
    FailArrival(status.error());
    return;
  }
  spdlog::info("{}: process {} of {} runs here ({})", name_, home_pid_,
               home_node_, command_);
  CutAt("guest.started");
  Feed(migration::Started{});
  SendUsage();
}

void Remote::Discard(const std::string& reason) {
  spdlog::info("{}: arrival given up: {}", name_, reason);
  DropGuest();
}

// ---- departure --------------------------------------------------------------

void Remote::SendImage() {
  if (onward_ && (!outbound_ || !outbound_->link().Good())) {
    Feed(migration::StepFailed{"the connection to the other node is lost"});
    return;
  }
  if (!onward_ && !bulk_.Good()) {
    when_bulk_ready_ = [this] {
      SendImage();
    };
    return;
  }
  CutAt("guest.sending");
  channel_.Send(proto::session::kSettled, 0, 0, std::span<const std::byte>());
  // No call is under way any more: these are its last figures here.
  Transmit(proto::session::kUsage, guest_->Usage());
  auto captured = guest_->Capture();
  if (!captured) {
    Feed(migration::StepFailed{captured.error().message});
    return;
  }
  // Home has all files that are mapped; another node may lack some.
  std::vector<migration::FileSource> sources;
  if (onward_) {
    sources =
        migration::FileSourcesOf(*captured, [this](const MappedFile& file) {
          const UniqueFd* here = places_.files.Find(file);
          return here == nullptr ? -1 : here->get();
        });
  }
  auto result = std::make_shared<Result<migration::SendResult>>();
  (onward_ ? outbound_->link() : bulk_)
      .Run(
          [result, captured = *std::move(captured),
           sources = std::move(sources),
           pid = guest_->pid()](proto::BulkStream& bulk) {
            *result = migration::StreamImage(bulk, captured, pid, sources);
          },
          [this, result] { OnImageSent(*result); });
}

void Remote::OnImageSent(const Result<migration::SendResult>& sent) {
  CutAt("guest.held");
  if (sent) {
    sent_bytes_ = sent->bytes;
    Feed(migration::ImageSent{sent->checksum});
  } else {
    Feed(migration::StepFailed{sent.error().message});
  }
}

}  // namespace ssi
