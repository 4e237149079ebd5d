#include "remote/carried_vdso.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>

#include "process/agent_site.h"
#include "process/kernel.h"
#include "process/leave_vdso.h"
#include "process/memory.h"

namespace ssi {

namespace {

bool OfKernel(const Vma& vma) {
  return vma.kind == Vma::Kind::kVdso || vma.kind == Vma::Kind::kVvar;
}

std::vector<Vma> KernelPages(const std::vector<Vma>& vmas) {
  std::vector<Vma> found;
  std::copy_if(vmas.begin(), vmas.end(), std::back_inserter(found), OfKernel);
  return found;
}

std::vector<Vma> AreasOf(const ProcessImage& image) {
  std::vector<Vma> vmas;
  vmas.reserve(image.areas.size());
  for (const auto& area : image.areas) {
    vmas.push_back(area.vma);
  }
  return vmas;
}

Result<std::vector<std::byte>> CodeOf(HostPid pid,
                                      const std::vector<Vma>& kernel) {
  for (const auto& vma : kernel) {
    if (vma.kind == Vma::Kind::kVdso) {
      std::vector<std::byte> code(vma.size());
      SSI_TRY(ReadMemory(pid, RemoteAddr{vma.start}, code));
      return code;
    }
  }
  return Fail(ErrorCode::kUnsupported, "this node's kernel has no vdso");
}

const Vma* VdsoIn(const std::vector<Vma>& vmas) {
  auto found = std::find_if(vmas.begin(), vmas.end(), [](const Vma& vma) {
    return vma.kind == Vma::Kind::kVdso;
  });
  return found == vmas.end() ? nullptr : &*found;
}

// A place for the block, clear of all that the image and this process have.
Result<std::uint64_t> PlaceForBlock(const std::vector<Vma>& image,
                                    const std::vector<Vma>& kernel,
                                    const MemoryRun& own, std::uint64_t size) {
  std::vector<Vma> taken = image;
  taken.insert(taken.end(), kernel.begin(), kernel.end());
  Vma& ours = taken.emplace_back();
  ours.start = own.address;
  ours.end = own.address + own.size;
  std::sort(taken.begin(), taken.end(),
            [](const Vma& a, const Vma& b) { return a.start < b.start; });
  auto at = FindFree(taken, size, kSiteFrom, kSiteLimit);
  if (!at) {
    return Fail(ErrorCode::kUnsupported, "no room for this node's vdso");
  }
  return *at;
}

}  // namespace

Result<CarriedVdso> CarriedVdso::Place(CallRunner& runner, HostPid pid,
                                       const std::vector<Vma>& now,
                                       const ProcessImage& image,
                                       const MemoryRun& own) {
  auto kernel = KernelPages(now);
  SSI_ASSIGN(auto local, CodeOf(pid, kernel));
  auto there = AreasOf(image);
  const Vma* vdso = VdsoIn(there);
  if (vdso == nullptr || vdso->size() != image.vdso.size()) {
    return Fail(ErrorCode::kProtocol, "image: no vdso");
  }
  CarriedVdso carried;
  std::uint64_t from = kernel.front().start;
  carried.block_.size = kPageSize + (kernel.back().end - from);
  SSI_ASSIGN(carried.block_.address,
             PlaceForBlock(there, kernel, own, carried.block_.size));
  RemoteAddr stubs{carried.block_.address};
  SSI_ASSIGN(carried.detours_,
             MakeDetours(image.vdso, local,
                         {.carried = RemoteAddr{vdso->start},
                          .stubs = stubs,
                          .local = stubs + kPageSize +
                                   (VdsoIn(kernel)->start - from)}));
  for (const auto& thread : image.threads) {
    if (!thread.exited && carried.detours_.Torn(thread.registers.ip())) {
      return Fail(ErrorCode::kUnsupported,
                  "thread {} stands where home's vdso is to be changed",
                  Raw(thread.tid));
    }
  }
  for (const auto& area : image.areas) {
    if (OfKernel(area.vma)) {
      carried.areas_.push_back(area);
    }
  }
  SSI_TRY(carried.MakeBlock(runner, kernel));
  SSI_ASSIGN(auto memory, MemoryFile::Open(pid));
  SSI_TRY(memory.Write(stubs, carried.detours_.stubs));
  SSI_TRY(memory.Write(RemoteAddr{vdso->start}, carried.detours_.code));
  return carried;
}

// Never writable: code is written through /proc/PID/mem.
Status CarriedVdso::MakeBlock(CallRunner& runner,
                              const std::vector<Vma>& kernel) {
  CallBatch batch(runner);
  for (const auto& vma : kernel) {
    batch.Add("mremap of the vdso", SYS_mremap,
              {vma.start, vma.size(), vma.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
               block_.address + kPageSize + (vma.start - kernel[0].start)});
  }
  auto map = [&batch](std::uint64_t address, std::uint64_t size, int prot) {
    batch.Add("mmap of home's vdso", SYS_mmap,
              {address, size, static_cast<std::uint64_t>(prot),
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~std::uint64_t{0}, 0});
  };
  map(block_.address, kPageSize, PROT_READ | PROT_EXEC);
  for (const auto& area : areas_) {
    bool code = area.vma.kind == Vma::Kind::kVdso;
    map(area.vma.start, area.vma.size(),
        code ? PROT_READ | PROT_EXEC : PROT_READ);
  }
  return batch.Flush();
}

Status CarriedVdso::Leave(const Tracee& tracee) const {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (!InBlock(Raw(registers.ip()))) {
    return {};
  }
  if (registers.InCall()) {
    // The stop came behind a call, which is over or is to be made again.
    if (IsRestart(registers.result())) {
      registers.RewindCall(registers.call_number());
    } else {
      registers.FinishCall(registers.result());
    }
    SSI_TRY(tracee.SetRegisters(registers));
  }
  auto entry_of = [this](RemoteAddr call) {
    return std::find_if(detours_.entries.begin(), detours_.entries.end(),
                        [call](const auto& e) { return e.call == call; });
  };
  // Those of the local vdso itself can be stepped over: the filter allows them.
  SSI_TRY(StepWhile(tracee, [&](RemoteAddr ip) {
    return InBlock(Raw(ip)) && entry_of(ip) == detours_.entries.end();
  }));
  SSI_ASSIGN(registers, tracee.GetRegisters());
  if (auto at = entry_of(registers.ip()); at != detours_.entries.end()) {
    registers.set_ip(at->function);
    return tracee.SetRegisters(registers);
  }
  return !InBlock(Raw(registers.ip()))
             ? Status()
             : Fail(ErrorCode::kRetry, "it faults while it reads a clock");
}

std::vector<MemoryRun> CarriedVdso::NotOfProgram() const {
  std::vector<MemoryRun> runs = {block_};
  for (const auto& area : areas_) {
    runs.push_back({area.vma.start, area.vma.size()});
  }
  return runs;
}

// Looks for what the kernel puts on the stack for sigreturn: the instruction,
// the flags and the code segment one after the other.
Result<bool> CarriedVdso::IsAwaited(const Tracee& tracee,
                                    const std::vector<Vma>& vmas) const {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  constexpr std::uint64_t kDeep = 64 << 10;
  std::uint64_t from = PageDown(Raw(registers.sp()));
  const Vma* stack = FindVma(vmas, from);
  if (stack == nullptr || (stack->prot & PROT_READ) == 0) {
    return false;
  }
  std::vector<std::uint64_t> words((std::min(stack->end, from + kDeep) - from) /
                                   sizeof(std::uint64_t));
  SSI_TRY(ReadMemory(tracee.pid(), RemoteAddr{from},
                     std::as_writable_bytes(std::span(words))));
  static_assert(REG_EFL == REG_RIP + 1 && REG_CSGSFS == REG_RIP + 2);
  constexpr std::uint64_t kUserCode = 0x33;  // __USER_CS, asm/segment.h
  for (std::size_t i = (Raw(registers.sp()) - from) / sizeof(std::uint64_t);
       i + 2 < words.size(); ++i) {
    if (InBlock(words[i]) && (words[i + 2] & 0xffff) == kUserCode) {
      return true;
    }
  }
  return false;
}

void CarriedVdso::AddBlock(const std::vector<Vma>& vmas,
                           std::vector<ImageArea>& areas,
                           std::vector<MemoryRun>& contents) const {
  for (const auto& vma : vmas) {
    if (!InBlock(vma.start)) {
      continue;
    }
    // Its time pages become zeros, like those of home's vdso here.
    ImageArea& area = areas.emplace_back();
    area.vma.start = vma.start;
    area.vma.end = vma.end;
    area.vma.prot = vma.prot;
    if (vma.kind != Vma::Kind::kVvar) {
      contents.push_back({vma.start, vma.size()});
    }
  }
}

}  // namespace ssi
