#include "remote/carried_vdso.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
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

// From the first of home's kernel pages to the end of the last.
Result<std::uint64_t> SpanOf(const std::vector<ImageArea>& areas) {
  constexpr std::uint64_t kMost = 1 << 20;
  std::uint64_t size = areas.back().vma.end - areas.front().vma.start;
  if (size > kMost) {
    return Fail(ErrorCode::kProtocol, "image: time pages {} bytes apart", size);
  }
  return size;
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
  for (const auto& area : image.areas) {
    if (OfKernel(area.vma)) {
      carried.areas_.push_back(area);
    }
  }
  std::uint64_t from = kernel.front().start;
  carried.block_.size = kPageSize + (kernel.back().end - from);
  SSI_ASSIGN(carried.spare_.size, SpanOf(carried.areas_));
  SSI_ASSIGN(carried.block_.address,
             PlaceForBlock(there, kernel, own,
                           carried.block_.size + carried.spare_.size));
  carried.spare_.address = carried.block_.address + carried.block_.size;
  RemoteAddr stubs{carried.block_.address};
  SSI_ASSIGN(carried.detours_,
             MakeDetours(image.vdso, local,
                         {.carried = RemoteAddr{vdso->start},
                          .stubs = stubs,
                          .local = stubs + kPageSize +
                                   (VdsoIn(kernel)->start - from)}));
  SSI_TRY(carried.MakeBlock(runner, kernel));
  SSI_ASSIGN(auto memory, MemoryFile::Open(pid));
  SSI_TRY(memory.Write(stubs, carried.detours_.stubs));
  SSI_TRY(memory.Write(RemoteAddr{vdso->start}, carried.detours_.code));
  SSI_TRY(
      memory.Write(RemoteAddr{vdso->start + carried.ToSpare()}, image.vdso));
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
    for (std::uint64_t at : {area.vma.start, area.vma.start + ToSpare()}) {
      map(at, area.vma.size(), code ? PROT_READ | PROT_EXEC : PROT_READ);
    }
  }
  return batch.Flush();
}

Status CarriedVdso::Leave(const Tracee& tracee) const {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (InDetour(registers.ip())) {
    return LeaveBlock(tracee, registers);
  }
  return InSpare(Raw(registers.ip())) ? LeaveSpare(tracee, registers)
                                      : Status();
}

Status CarriedVdso::LeaveBlock(const Tracee& tracee,
                               Registers registers) const {
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
    return InDetour(ip) && entry_of(ip) == detours_.entries.end();
  }));
  SSI_ASSIGN(registers, tracee.GetRegisters());
  if (auto at = entry_of(registers.ip()); at != detours_.entries.end()) {
    registers.set_ip(at->function);
    return tracee.SetRegisters(registers);
  }
  return !InDetour(registers.ip())
             ? Status()
             : Fail(ErrorCode::kRetry, "it faults while it reads a clock");
}

// What points into the spare are the code's own addresses: in registers, and
// those of its callers in the vdso on the stack. No value of the program's can
// be one of them, for it was never told any.
Status CarriedVdso::LeaveSpare(const Tracee& tracee,
                               Registers registers) const {
  registers.ForEachAddress([this](unsigned long long& value) {
    value -= InSpare(value) ? ToSpare() : 0;
  });
  constexpr std::size_t kFramesOfVdso = 512;
  std::array<std::uint64_t, kFramesOfVdso / sizeof(std::uint64_t)> words{};
  std::uint64_t sp = Raw(registers.sp()) & ~std::uint64_t{7};
  std::size_t size = std::min(sizeof words, PageDown(sp) + 2 * kPageSize - sp);
  auto found = std::span(words).first(size / sizeof(std::uint64_t));
  auto bytes = std::as_writable_bytes(found);
  if (!ReadMemory(tracee.pid(), RemoteAddr{sp}, bytes)) {
    found =
        found.first((PageDown(sp) + kPageSize - sp) / sizeof(std::uint64_t));
    SSI_TRY(ReadMemory(tracee.pid(), RemoteAddr{sp},
                       std::as_writable_bytes(found)));
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (InSpare(found[i])) {
      SSI_TRY(WriteObject(tracee.pid(),
                          RemoteAddr{sp + i * sizeof(std::uint64_t)},
                          found[i] - ToSpare()));
    }
  }
  return tracee.SetRegisters(registers);
}

Status CarriedVdso::Enter(const Tracee& tracee) const {
  SSI_ASSIGN(auto registers, tracee.GetRegisters());
  if (!detours_.Torn(registers.ip())) {
    return {};
  }
  registers.set_ip(registers.ip() + ToSpare());
  return tracee.SetRegisters(registers);
}

Status CarriedVdso::BeforeReturn(HostPid pid, RemoteAddr slot) const {
  SSI_ASSIGN(auto to, ReadObject<std::uint64_t>(pid, slot));
  return detours_.Torn(RemoteAddr{to}) ? WriteObject(pid, slot, to + ToSpare())
                                       : Status();
}

std::vector<MemoryRun> CarriedVdso::NotOfProgram() const {
  std::vector<MemoryRun> runs = {block_, spare_};
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

}  // namespace ssi
