// Taking the image of a body that stands still.
#include <algorithm>
#include <utility>

#include "base/files.h"
#include "process/call_runner.h"
#include "process/capture.h"
#include "process/page_reader.h"
#include "process/page_scan.h"
#include "remote/body.h"

namespace ssi {

Status Body::LeaveVdso(const Tracee& tracee, const std::vector<Vma>& vmas) {
  SSI_TRY(vdso_->Leave(tracee));
  out_of_vdso_.push_back(tracee.pid());
  SSI_ASSIGN(bool awaited, vdso_->IsAwaited(tracee, vmas));
  return awaited ? Fail(ErrorCode::kRetry,
                        "a handler of a fault in a clock of this node is "
                        "under way")
                 : Status();
}

Status Body::CaptureThreads(const std::vector<Vma>& vmas, ProcessImage& image) {
  SSI_ASSIGN(RemoteAddr instruction, OwnSyscall());
  image.threads.clear();
  if (leader_exited_) {
    auto& first = image.threads.emplace_back();
    first.tid = image.pid;
    first.exited = true;
  }
  auto capture = [&](HomePid tid, HostPid here) -> Status {
    Tracee tracee(here);
    SSI_TRY(LeaveVdso(tracee, vmas));
    SSI_ASSIGN(ThreadImage thread, CaptureThread(tracee, tid));
    SSI_ASSIGN(auto injector, Injector::Begin(tracee, instruction));
    InjectingRunner runner(injector, here, own_space(), kPageSize);
    auto questions = ThreadQuestions(own_space());
    SSI_TRY(runner.Run(questions));
    SSI_TRY(TakeThreadAnswers(runner, questions, thread));
    SSI_TRY(injector.End());
    image.threads.push_back(std::move(thread));
    return {};
  };
  if (!leader_exited_) {
    SSI_TRY(capture(image.pid, pid()));
  }
  for (const auto& [tid, here] : threads_) {
    SSI_TRY(capture(tid, here));
  }
  return {};
}

Result<CapturedProcess> Body::Capture(ProcessImage followed) {
  CapturedProcess captured;
  ProcessImage& image = captured.image;
  image = std::move(followed);
  SSI_ASSIGN(auto vmas, ReadVmas(living()));
  SSI_TRY(CaptureThreads(vmas, image));
  {
    SSI_ASSIGN(RemoteAddr instruction, OwnSyscall());
    SSI_ASSIGN(auto injector, Injector::Begin(Tracee(living()), instruction));
    InjectingRunner runner(injector, living(), own_space(), kPageSize);
    SSI_TRY(CaptureMovingParts(runner, image));
    // Home's is right: 0, the default, is another value in each of the two.
    image.states.timer_slack = -1;
    SSI_TRY(injector.End());
  }
  SSI_TRY(CaptureAreas(vmas, captured));
  return captured;
}

void Body::Stay() {
  for (HostPid here : std::exchange(out_of_vdso_, {})) {
    (void)vdso_->Enter(Tracee(here));  // unless it is dead
  }
}

std::vector<MemoryRun> Body::NotOfProgram() const {
  std::vector<MemoryRun> runs = {{Raw(own_page_), kOwnSize}};
  auto carried = vdso_->NotOfProgram();
  runs.insert(runs.end(), carried.begin(), carried.end());
  std::sort(runs.begin(), runs.end(),
            [](const MemoryRun& a, const MemoryRun& b) {
              return a.address < b.address;
            });
  return runs;
}

Status Body::CaptureArea(const Vma& vma, const PageScanner& scanner,
                         ProcessImage& image, ScannedPages& pages) const {
  if (vma.kind == Vma::Kind::kVsyscall || vma.kind == Vma::Kind::kOther) {
    return {};
  }
  ImageArea area;
  area.vma = vma;
  if (vma.kind == Vma::Kind::kFile || vma.kind == Vma::Kind::kShared) {
    // Shared: what the program has mapped so here, read-only.
    auto file = FileOf(vma);
    if (!file) {
      return Fail(ErrorCode::kProtocol, "unknown file mapped at {:#x}",
                  vma.start);
    }
    area.source = ImageArea::Source::kFile;
    area.file = *file;
    area.vma.kind = Vma::Kind::kFile;
    if (vma.kind == Vma::Kind::kFile) {
      SSI_TRY(scanner.Scan(vma, pages));
    }
  } else {
    SSI_TRY(scanner.Scan(vma, pages));
  }
  image.areas.push_back(std::move(area));
  return {};
}

Status Body::CaptureAreas(const std::vector<Vma>& vmas,
                          CapturedProcess& captured) {
  ProcessImage& image = captured.image;
  SSI_ASSIGN(auto scanner, PageScanner::Open(living()));
  auto others = NotOfProgram();
  ScannedPages pages;
  image.areas.clear();
  for (const auto& vma : vmas) {
    // The kernel may have made one area of ours and of the program's.
    for (const auto& part : PartsOutside(vma, others)) {
      SSI_TRY(CaptureArea(part, scanner, image, pages));
    }
  }
  const auto& kernel = vdso_->areas();
  image.areas.insert(image.areas.end(), kernel.begin(), kernel.end());
  std::sort(image.areas.begin(), image.areas.end(),
            [](const ImageArea& a, const ImageArea& b) {
              return a.vma.start < b.vma.start;
            });
  std::sort(pages.contents.begin(), pages.contents.end(),
            [](const MemoryRun& a, const MemoryRun& b) {
              return a.address < b.address;
            });
  image.guards = std::move(pages.guards);
  captured.memory = SortContents(vmas, std::move(pages.contents));
  return {};
}

}  // namespace ssi
