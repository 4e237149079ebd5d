#include "migration/image_wire.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ssi::migration {

namespace {

using std::chrono::nanoseconds;

// User space of x86-64 with four-level paging ends here; with five levels
// nothing is above it unless a program asks for it by name.
constexpr std::uint64_t kUserEnd = std::uint64_t{1} << 47;

template <typename T>
std::string ToBytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

template <typename T>
bool FromBytes(const std::string& bytes, T& value) {
  if (bytes.size() != sizeof value) {
    return false;
  }
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

constexpr std::array kBounds = {
    &MemoryLayout::start_code,  &MemoryLayout::end_code,
    &MemoryLayout::start_data,  &MemoryLayout::end_data,
    &MemoryLayout::start_brk,   &MemoryLayout::brk,
    &MemoryLayout::start_stack, &MemoryLayout::arg_start,
    &MemoryLayout::arg_end,     &MemoryLayout::env_start,
    &MemoryLayout::env_end};

constexpr std::array kStates = {
    &ProcessStates::dumpable,          &ProcessStates::thp_disable,
    &ProcessStates::timer_slack,       &ProcessStates::mdwe,
    &ProcessStates::membarrier,        &ProcessStates::no_new_privs,
    &ProcessStates::extended_features, &ProcessStates::protection_keys};

void AreaToWire(const ImageArea& area, wire::Area& out) {
  out.set_start(area.vma.start);
  out.set_end(area.vma.end);
  out.set_offset(area.vma.offset);
  out.set_prot(area.vma.prot);
  out.set_flags(area.vma.flags);
  out.set_protection_key(static_cast<std::uint32_t>(area.vma.protection_key));
  out.set_name(area.vma.name);
  out.set_source(static_cast<std::uint32_t>(area.source));
  out.set_file(area.file);
  out.set_kept_at(area.kept_at);
}

Vma::Kind KindOf(ImageArea::Source source) {
  switch (source) {
    case ImageArea::Source::kAnonymous:
      return Vma::Kind::kAnonymous;
    case ImageArea::Source::kVdso:
      return Vma::Kind::kVdso;
    case ImageArea::Source::kVvar:
      return Vma::Kind::kVvar;
    default:
      return Vma::Kind::kFile;
  }
}

Result<ImageArea> AreaFromWire(const wire::Area& in, std::uint64_t after) {
  ImageArea area;
  area.vma.start = in.start();
  area.vma.end = in.end();
  bool placed = area.vma.start >= after && area.vma.start < area.vma.end &&
                area.vma.end <= kUserEnd && area.vma.start % kPageSize == 0 &&
                area.vma.end % kPageSize == 0 && in.offset() % kPageSize == 0;
  constexpr std::uint32_t kMostKeys = 15;
  constexpr std::uint32_t kAllProt = 7;
  if (!placed || in.prot() > kAllProt || in.protection_key() > kMostKeys ||
      in.source() > static_cast<std::uint32_t>(ImageArea::Source::kVvar)) {
    return Fail(ErrorCode::kProtocol, "image: bad area at {:#x}", in.start());
  }
  area.vma.offset = in.offset();
  area.vma.prot = static_cast<std::uint8_t>(in.prot());
  area.vma.flags = in.flags();
  area.vma.protection_key = static_cast<int>(in.protection_key());
  area.vma.name = in.name();
  area.source = static_cast<ImageArea::Source>(in.source());
  area.vma.kind = KindOf(area.source);
  area.file = in.file();
  area.kept_at = in.kept_at();
  return area;
}

void ThreadToWire(const ThreadImage& thread, wire::Thread& out) {
  out.set_tid(Raw(thread.tid));
  out.set_registers(ToBytes(thread.registers.raw()));
  out.set_extended_state(thread.extended_state.data(),
                         thread.extended_state.size());
  out.set_signal_mask(thread.signal_mask);
  out.set_alternate_stack(thread.alternate_stack.sp);
  out.set_alternate_stack_flags(thread.alternate_stack.flags);
  out.set_alternate_stack_size(thread.alternate_stack.size);
  out.set_robust_list(thread.robust_list);
  out.set_robust_list_size(thread.robust_list_size);
  out.set_clear_child_tid(thread.clear_child_tid);
  out.set_rseq_area(thread.rseq.area);
  out.set_rseq_size(thread.rseq.size);
  out.set_rseq_signature(thread.rseq.signature);
  out.set_name(thread.name);
  out.set_exited(thread.exited);
  out.set_cpu_user_ns(thread.cpu_elsewhere.user.count());
  out.set_cpu_system_ns(thread.cpu_elsewhere.system.count());
  out.set_personality(thread.personality);
  out.set_tsc_mode(thread.tsc_mode);
  if (thread.pending) {
    auto& pending = *out.mutable_pending();
    pending.set_number(thread.pending->number);
    for (auto argument : thread.pending->args) {
      pending.add_args(argument);
    }
    pending.set_left_ns(thread.pending->left.count());
    pending.set_done(thread.pending->done);
  }
  for (const auto& signal : thread.undelivered) {
    auto& added = *out.add_undelivered();
    added.set_info(ToBytes(signal.info));
    added.set_of_thread(signal.of_thread);
  }
}

Result<ThreadImage> ThreadFromWire(const wire::Thread& in) {
  ThreadImage thread;
  thread.tid = HomePid{in.tid()};
  user_regs_struct registers{};
  constexpr std::size_t kMostState = 16384;
  if (in.tid() <= 0 || !FromBytes(in.registers(), registers) ||
      in.extended_state().size() > kMostState) {
    return Fail(ErrorCode::kProtocol, "image: bad thread {}", in.tid());
  }
  thread.registers = Registers(registers);
  auto state = std::as_bytes(std::span(in.extended_state()));
  thread.extended_state.assign(state.begin(), state.end());
  thread.signal_mask = in.signal_mask();
  thread.alternate_stack.sp = in.alternate_stack();
  thread.alternate_stack.flags = in.alternate_stack_flags();
  thread.alternate_stack.size = in.alternate_stack_size();
  thread.robust_list = in.robust_list();
  thread.robust_list_size = in.robust_list_size();
  thread.clear_child_tid = in.clear_child_tid();
  thread.rseq.area = in.rseq_area();
  thread.rseq.size = in.rseq_size();
  thread.rseq.signature = in.rseq_signature();
  thread.name = in.name();
  thread.exited = in.exited();
  thread.cpu_elsewhere = {nanoseconds(in.cpu_user_ns()),
                          nanoseconds(in.cpu_system_ns())};
  thread.personality = in.personality();
  thread.tsc_mode = in.tsc_mode();
  if (in.has_pending()) {
    PendingCall pending;
    pending.number = in.pending().number();
    if (in.pending().args_size() != static_cast<int>(pending.args.size())) {
      return Fail(ErrorCode::kProtocol, "image: bad pending call");
    }
    std::copy(in.pending().args().begin(), in.pending().args().end(),
              pending.args.begin());
    pending.left = nanoseconds(in.pending().left_ns());
    pending.done = in.pending().done();
    thread.pending = pending;
  }
  for (const auto& queued : in.undelivered()) {
    QueuedSignal signal;
    signal.of_thread = queued.of_thread();
    if (!FromBytes(queued.info(), signal.info)) {
      return Fail(ErrorCode::kProtocol, "image: bad siginfo");
    }
    thread.undelivered.push_back(signal);
  }
  return thread;
}

// Contents must be whole pages inside areas, in order.
bool ContentsFit(const CapturedProcess& captured) {
  std::uint64_t after = 0;
  auto area = captured.image.areas.begin();
  auto end = captured.image.areas.end();
  for (const auto& run : captured.memory.contents) {
    if (run.address < after || run.size == 0 || run.address % kPageSize != 0 ||
        run.size % kPageSize != 0 || run.size > kUserEnd - run.address) {
      return false;
    }
    after = run.address + run.size;
    std::uint64_t at = run.address;
    while (at < after) {
      while (area != end && area->vma.end <= at) {
        ++area;
      }
      if (area == end || area->vma.start > at) {
        return false;
      }
      at = std::min(after, area->vma.end);
    }
  }
  return true;
}

Status TablesFromWire(const wire::Image& in, ProcessImage& image) {
  if (in.layout().bounds_size() != static_cast<int>(kBounds.size()) ||
      in.states_size() != static_cast<int>(kStates.size()) ||
      in.limits_size() != static_cast<int>(2 * kLimitCount) ||
      in.layout().auxv().size() > kPageSize) {
    return Fail(ErrorCode::kProtocol, "image: bad tables");
  }
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    image.layout.*kBounds[i] = in.layout().bounds(static_cast<int>(i));
  }
  auto auxv = std::as_bytes(std::span(in.layout().auxv()));
  image.layout.auxv.assign(auxv.begin(), auxv.end());
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    image.states.*kStates[i] = in.states(static_cast<int>(i));
  }
  for (std::size_t i = 0; i < kLimitCount; ++i) {
    image.limits[i] = {in.limits(static_cast<int>(2 * i)),
                       in.limits(static_cast<int>(2 * i + 1))};
  }
  for (const auto& action : in.actions()) {
    if (action.signal() < 1 || action.signal() > kSignalCount) {
      return Fail(ErrorCode::kProtocol, "image: signal {}", action.signal());
    }
    image.actions[action.signal() - 1] = {action.handler(), action.flags(),
                                          action.restorer(), action.mask()};
  }
  return {};
}

void TablesToWire(const ProcessImage& image, wire::Image& out) {
  for (auto bound : kBounds) {
    out.mutable_layout()->add_bounds(image.layout.*bound);
  }
  out.mutable_layout()->set_auxv(image.layout.auxv.data(),
                                 image.layout.auxv.size());
  for (auto state : kStates) {
    out.add_states(image.states.*state);
  }
  for (const auto& limit : image.limits) {
    out.add_limits(limit.soft);
    out.add_limits(limit.hard);
  }
  for (std::size_t i = 0; i < kSignalCount; ++i) {
    const auto& action = image.actions[i];
    if (action != KernelSigaction{}) {
      auto& to = *out.add_actions();
      to.set_signal(static_cast<std::uint32_t>(i + 1));
      to.set_handler(action.handler);
      to.set_flags(action.flags);
      to.set_restorer(action.restorer);
      to.set_mask(action.mask);
    }
  }
}

void RunsToWire(const std::vector<MemoryRun>& runs,
                google::protobuf::RepeatedPtrField<wire::Run>& out) {
  out.Reserve(static_cast<int>(runs.size()));
  for (const auto& run : runs) {
    auto& to = *out.Add();
    to.set_address(run.address);
    to.set_size(run.size);
  }
}

std::vector<MemoryRun> RunsFromWire(
    const google::protobuf::RepeatedPtrField<wire::Run>& in) {
  std::vector<MemoryRun> runs;
  runs.reserve(static_cast<std::size_t>(in.size()));
  for (const auto& run : in) {
    runs.push_back({run.address(), run.size()});
  }
  return runs;
}

}  // namespace

void FileToWire(const MappedFile& file, wire::MappedFile& out) {
  out.set_id(file.id);
  out.set_path(file.path);
  out.set_device(file.device);
  out.set_inode(file.inode);
  out.set_size(file.size);
  out.set_mtime_ns(file.mtime_ns);
  out.set_ctime_ns(file.ctime_ns);
  out.set_sha256(file.sha256);
  out.set_shared(file.shared);
}

MappedFile FileFromWire(const wire::MappedFile& in) {
  return {in.id(),       in.path(),     in.device(), in.inode(), in.size(),
          in.mtime_ns(), in.ctime_ns(), in.sha256(), in.shared()};
}

void ToWire(const CapturedProcess& captured, wire::Image& out) {
  const ProcessImage& image = captured.image;
  out.set_format(kImageFormat);
  out.set_pid(Raw(image.pid));
  for (const auto& area : image.areas) {
    AreaToWire(area, *out.add_areas());
  }
  for (const auto& file : image.files) {
    FileToWire(file, *out.add_files());
  }
  RunsToWire(image.guards, *out.mutable_guards());
  out.mutable_descriptors()->Assign(image.descriptors.begin(),
                                    image.descriptors.end());
  out.set_vdso(image.vdso.data(), image.vdso.size());
  RunsToWire(captured.memory.contents, *out.mutable_contents());
  TablesToWire(image, out);
  out.set_clock_floor_monotonic_ns(image.clock_floor.monotonic.count());
  out.set_clock_floor_boot_ns(image.clock_floor.boot.count());
  out.set_clock_floor_coarse_ns(image.coarse_floor.count());
  out.set_cpu_user_ns(image.cpu_elsewhere.user.count());
  out.set_cpu_system_ns(image.cpu_elsewhere.system.count());
  for (const auto& thread : image.threads) {
    ThreadToWire(thread, *out.add_threads());
  }
}

Result<CapturedProcess> FromWire(const wire::Image& in) {
  if (in.format() != kImageFormat) {
    return Fail(ErrorCode::kUnsupported, "image format {}, this is {}",
                in.format(), kImageFormat);
  }
  if (in.pid() <= 0 || in.areas_size() > kMostAreas || in.threads_size() < 1 ||
      in.threads_size() > kMostThreads) {
    return Fail(ErrorCode::kProtocol, "image: {} areas, {} threads",
                in.areas_size(), in.threads_size());
  }
  CapturedProcess captured;
  ProcessImage& image = captured.image;
  image.pid = HomePid{in.pid()};
  std::uint64_t after = 0;
  for (const auto& area : in.areas()) {
    SSI_ASSIGN(auto made, AreaFromWire(area, after));
    after = made.vma.end;
    image.areas.push_back(std::move(made));
  }
  for (const auto& file : in.files()) {
    image.files.push_back(FileFromWire(file));
  }
  image.guards = RunsFromWire(in.guards());
  constexpr int kMostDescriptors = 8192;
  if (in.descriptors_size() > kMostDescriptors) {
    return Fail(ErrorCode::kProtocol, "image: {} descriptors",
                in.descriptors_size());
  }
  image.descriptors.assign(in.descriptors().begin(), in.descriptors().end());
  constexpr std::size_t kMostVdso = 1 << 16;
  if (in.vdso().size() > kMostVdso) {
    return Fail(ErrorCode::kProtocol, "image: a vdso of {} bytes",
                in.vdso().size());
  }
  auto vdso = std::as_bytes(std::span(in.vdso()));
  image.vdso.assign(vdso.begin(), vdso.end());
  captured.memory.contents = RunsFromWire(in.contents());
  if (!ContentsFit(captured)) {
    return Fail(ErrorCode::kProtocol, "image: contents outside of areas");
  }
  SSI_TRY(TablesFromWire(in, image));
  image.clock_floor = {nanoseconds(in.clock_floor_monotonic_ns()),
                       nanoseconds(in.clock_floor_boot_ns())};
  image.coarse_floor = nanoseconds(in.clock_floor_coarse_ns());
  image.cpu_elsewhere = {nanoseconds(in.cpu_user_ns()),
                         nanoseconds(in.cpu_system_ns())};
  for (const auto& thread : in.threads()) {
    SSI_ASSIGN(auto made, ThreadFromWire(thread));
    // The first one first, then in order: none twice.
    bool ordered = image.threads.empty()
                       ? made.tid == image.pid
                       : made.tid != image.pid &&
                             (image.threads.size() == 1 ||
                              Raw(made.tid) > Raw(image.threads.back().tid));
    if (!ordered) {
      return Fail(ErrorCode::kProtocol, "image: thread {} out of order",
                  Raw(made.tid));
    }
    if (made.exited && made.tid != image.pid) {
      return Fail(ErrorCode::kProtocol, "image: thread {} has exited",
                  Raw(made.tid));
    }
    image.threads.push_back(std::move(made));
  }
  return captured;
}

}  // namespace ssi::migration
