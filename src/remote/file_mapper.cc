#include "remote/file_mapper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include <spdlog/spdlog.h>

#include "migration/image_wire.h"
#include "process/kernel.h"
#include "proto/message.h"
#include "proto/session_frames.h"

namespace ssi {

namespace {
constexpr std::uint64_t kFetchSize = std::uint64_t{1} << 20;
constexpr std::size_t kMostReason = 200;

constexpr std::size_t kLengthArgument = 1;
constexpr std::size_t kProtArgument = 2;
constexpr std::size_t kFlagsArgument = 3;
constexpr std::size_t kFdArgument = 4;
constexpr std::size_t kOffsetArgument = 5;
}  // namespace

bool FileMapper::Shared() const {
  return (call_.args[kFlagsArgument] & MAP_TYPE) == MAP_SHARED;
}

void FileMapper::Begin(GuestThread& thread, const Notification& call) {
  waiting_.push_back({&thread, call});
  BeginNext();
}

void FileMapper::BeginNext() {
  while (step_ == Step::kIdle && !waiting_.empty()) {
    thread_ = waiting_.front().thread;
    call_ = waiting_.front().call;
    waiting_.pop_front();
    if (call_.number == SYS_mremap) {
      BeginRemap();
    } else {
      BeginMap();
    }
  }
}

// The thread has its answer, or will have it.
void FileMapper::End() {
  step_ = Step::kIdle;
  thread_ = nullptr;
}

void FileMapper::OnThreadGone(const GuestThread& thread) {
  std::erase_if(waiting_, [&thread](const Waiting& waiting) {
    return waiting.thread == &thread;
  });
  if (thread_ == &thread) {
    ++id_;  // what was asked for is not waited for any more
    End();
    BeginNext();
  }
}

void FileMapper::BeginMap() {
  if (Shared() && (call_.args[kProtArgument] & PROT_WRITE) != 0) {
    End();
    come_home_(call_, "shared mappings are not rebuilt away yet");
    return;
  }
  if (call_.args[kOffsetArgument] % kPageSize != 0) {
    Refuse(-EINVAL);
    return;
  }
  std::uint64_t size = PageUp(call_.args[kLengthArgument]);
  needed_ = {call_.args[kOffsetArgument], size};
  fetched_ = 0;
  step_ = Step::kAsking;
  Ask();
}

void FileMapper::BeginRemap() {
  if (call_.args[2] <= call_.args[1] || !FindGrown()) {
    AnswerByKernel();
    return;
  }
  fetched_ = 0;
  Need();
}

void FileMapper::AnswerByKernel() {
  GuestThread& thread = *thread_;
  End();
  thread.AnswerByKernel();
}

// The file below the mapping that mremap is about, and what it will need of
// it. False where nothing can be missing.
bool FileMapper::FindGrown() {
  const auto& known = parts_.followed.files;
  if (std::none_of(known.begin(), known.end(), [this](const auto& file) {
        return parts_.files.Partial(file);
      })) {
    return false;
  }
  auto vmas = ReadVmas(parts_.body.living());
  const Vma* vma = vmas ? FindVma(*vmas, call_.args[0]) : nullptr;
  if (vma == nullptr) {
    return false;
  }
  std::uint32_t id = parts_.body.FileOf(*vma).value_or(0);  // none has id 0
  auto file = std::find_if(known.begin(), known.end(),
                           [id](const auto& one) { return one.id == id; });
  if (file == known.end()) {
    return false;
  }
  file_ = *file;
  needed_ = {vma->offset + (call_.args[0] - vma->start), PageUp(call_.args[2])};
  return true;
}

void FileMapper::Ask() {
  wire::MapFileRequest request;
  request.set_id(++id_);
  if (step_ == Step::kAsking) {
    request.set_fd(static_cast<std::int32_t>(call_.args[kFdArgument]));
    request.set_shared(Shared());
  } else {
    request.set_file(file_.id);
    request.set_offset(needed_.address + fetched_);
    request.set_size(static_cast<std::uint32_t>(
        std::min(kFetchSize, needed_.size - fetched_)));
  }
  auto bytes = proto::EncodeMessage(request);
  if (bytes) {
    parts_.channel.Send(proto::session::kMapFile, 0, 0, *bytes);
  }
}

Status FileMapper::OnReply(const wire::MapFileReply& reply) {
  if (reply.id() < id_) {
    return {};  // for a thread that has ended
  }
  if (reply.id() != id_ ||
      (step_ != Step::kAsking && step_ != Step::kFetching)) {
    return Fail(ErrorCode::kProtocol, "map reply to no request");
  }
  Status status;
  if (!reply.come_home().empty()) {
    End();
    come_home_(call_, reply.come_home().substr(0, kMostReason));
  } else if (reply.error() != 0) {
    Refuse(-std::clamp(reply.error(), 1, 4095));
  } else if (reply.zero()) {
    MapZero();
  } else {
    status = step_ == Step::kAsking ? TakeFile(reply) : TakeBytes(reply);
  }
  BeginNext();
  return status;
}

Status FileMapper::TakeFile(const wire::MapFileReply& reply) {
  file_ = migration::FileFromWire(reply.file());
  auto& known = parts_.followed.files;
  if (std::none_of(known.begin(), known.end(), [this](const MappedFile& file) {
        return file.id == file_.id;
      })) {
    known.push_back(file_);
  }
  Need();
  return {};
}

// Gets what is missing of `needed_`, then lets the call be made.
void FileMapper::Need() {
  needed_.size = needed_.address >= file_.size
                     ? 0
                     : std::min(needed_.size, file_.size - needed_.address);
  auto there = parts_.files.Prepare(file_, {needed_});
  if (!there) {
    GiveUp(there.error());
    return;
  }
  if (*there || needed_.size == 0) {
    Done();
    return;
  }
  step_ = Step::kFetching;
  Ask();
}

Status FileMapper::TakeBytes(const wire::MapFileReply& reply) {
  auto data = std::as_bytes(std::span(reply.data()));
  if (data.size() > needed_.size - fetched_) {
    return Fail(ErrorCode::kProtocol, "more bytes of a file than asked for");
  }
  const UniqueFd* fd = parts_.files.Find(file_);
  auto written =
      LocalFiles::WriteAt(fd->get(), needed_.address + fetched_, data);
  if (!written) {
    GiveUp(written.error());
    return {};
  }
  fetched_ += data.size();
  if (fetched_ < needed_.size && !data.empty()) {
    Ask();
    return {};
  }
  parts_.files.Filled(file_, {needed_});
  Done();
  return {};
}

void FileMapper::Done() {
  if (call_.number == SYS_mremap) {
    AnswerByKernel();
  } else {
    Map(parts_.files.Find(file_)->get());
  }
}

void FileMapper::MapZero() {
  file_ = {};
  if (auto zero = Open("/dev/zero", O_RDWR)) {
    Map(zero->get());
  } else {
    GiveUp(zero.error());
  }
}

// What this node lacks, home may have.
void FileMapper::GiveUp(const Error& error) {
  spdlog::warn("guest: {}", error.message);
  End();
  come_home_(call_,
             fmt::format("a file cannot be mapped there: {}", error.message));
}

void FileMapper::Map(int fd) {
  auto number = static_cast<int>(call_.args[kFdArgument]);
  if (auto status = thread_->AddFd(fd, number); !status) {
    // With the file at hand now, should the call be made again.
    Refuse(status.error().code == ErrorCode::kGone ? kRestartNoIntr : -ENOMEM);
    return;
  }
  step_ = Step::kMapping;
  // Stops right behind the call, before the program runs on; or in its place.
  thread_->RequestStop();
  if (!thread_->Torn()) {
    thread_->AnswerByKernel();
  }
}

void FileMapper::OnThreadStopped(const GuestThread& thread) {
  if (step_ != Step::kMapping || thread_ != &thread) {
    return;
  }
  if (auto registers = thread.tracee().GetRegisters()) {
    Mapped(registers->result());
    End();
    BeginNext();
  }
}

void FileMapper::OnThreadTorn(const GuestThread& thread) {
  if (step_ != Step::kMapping || thread_ != &thread) {
    return;
  }
  auto result = parts_.body.Inject(thread.tracee(), SYS_mmap, call_.args);
  if (!result) {
    spdlog::error("guest: map a file: {}", result.error().message);
  }
  std::int64_t value = result.value_or(-ENOMEM);
  Mapped(value);
  Refuse(value);
  BeginNext();
}

void FileMapper::Mapped(std::int64_t result) {
  auto closed = parts_.body.Inject(thread_->tracee(), SYS_close,
                                   {call_.args[kFdArgument]});
  if (!closed) {
    spdlog::error("guest: close a mapped file: {}", closed.error().message);
  }
  if (result > 0 && file_.id != 0) {
    auto learned =
        parts_.body.LearnFile(static_cast<std::uint64_t>(result), file_.id);
    if (!learned) {
      spdlog::error("guest: {}", learned.error().message);
    }
  }
}

void FileMapper::Refuse(std::int64_t result) {
  GuestThread& thread = *thread_;
  End();
  thread.Answer(result);
}

}  // namespace ssi
