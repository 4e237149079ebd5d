#include "migration/image_stream.h"

#include <unistd.h>
#include <xxh_x86dispatch.h>  // XXH3 as wide as this CPU can

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "migration/image_wire.h"
#include "process/page_reader.h"
#include "process/page_writer.h"

namespace ssi::migration {

namespace {

enum class RecordType : std::uint32_t {
  kImage = 1,
  kWanted = 2,
  kFile = 3,
  kPages = 4,
  kEnd = 5,
  kGot = 6,
};

struct RecordHead {
  RecordType type{};
  std::uint32_t length = 0;
};

// An image of 130,000 areas with their contents' runs stays below this.
constexpr std::size_t kMostImage = std::size_t{64} << 20;
// A batch of the reader, its runs (at worst one for each page), and the count.
constexpr std::size_t kMostRecord =
    PageReader::kBatchSize +
    PageReader::kBatchSize / kPageSize * sizeof(MemoryRun) + 64;

// XXH3 over everything that is sent, in order: a slip in our own bookkeeping
// shows. That nobody else changed it is TLS's business.
class Sum {
 public:
  Sum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
  ~Sum() { XXH3_freeState(state_); }
  Sum(const Sum&) = delete;
  Sum& operator=(const Sum&) = delete;
  Sum(Sum&&) = delete;
  Sum& operator=(Sum&&) = delete;
  void Add(std::span<const std::byte> bytes) {
    XXH3_64bits_update(state_, bytes.data(), bytes.size());
  }
  [[nodiscard]] Checksum Value() const {
    return Checksum{XXH3_64bits_digest(state_)};
  }

 private:
  XXH3_state_t* state_;
};

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

class Sender {
 public:
  Sender(proto::BulkStream& stream, HostPid from)
      : stream_(stream), from_(from) {}

  Status Image(const CapturedProcess& captured) {
    wire::Image image;
    ToWire(captured, image);
    std::string bytes;
    if (!image.SerializeToString(&bytes) || bytes.size() > kMostImage) {
      return Fail(ErrorCode::kUnsupported, "the image is too large");
    }
    return Record(RecordType::kImage, {std::as_bytes(std::span(bytes))});
  }

  Result<std::vector<std::uint32_t>> Wanted() {
    RecordHead head;
    SSI_TRY(stream_.Read(std::as_writable_bytes(std::span(&head, 1))));
    if (head.type != RecordType::kWanted || head.length % 4 != 0 ||
        head.length > kMostImage) {
      return Fail(ErrorCode::kProtocol, "bulk: no list of wanted files");
    }
    std::vector<std::uint32_t> wanted(head.length / 4);
    SSI_TRY(stream_.Read(std::as_writable_bytes(std::span(wanted))));
    return wanted;
  }

  Status File(const FileSource& file) {
    buffer_.resize(PageReader::kBatchSize);
    for (const auto& range : file.ranges) {
      SSI_TRY(FileRange(file, range));
    }
    for (std::size_t i = 0; i < file.memory.size(); ++i) {
      SSI_TRY(MemoryRange(file.id, file.memory[i], file.at[i]));
    }
    return {};
  }

  Status Pages(const CapturedProcess& captured) {
    PageReader reader(from_, captured.memory);
    for (;;) {
      SSI_ASSIGN(auto batch, reader.Next());
      if (!batch) {
        return {};
      }
      auto count = static_cast<std::uint32_t>(batch->runs.size());
      SSI_TRY(Record(RecordType::kPages,
                     {BytesOf(count), std::as_bytes(std::span(batch->runs)),
                      batch->data}));
      bytes_ += batch->data.size();
    }
  }

  Result<SendResult> End() {
    Checksum sum = sum_.Value();
    SSI_TRY(Record(RecordType::kEnd, {BytesOf(sum)}));
    RecordHead head;
    Checksum got{};
    SSI_TRY(stream_.Read(std::as_writable_bytes(std::span(&head, 1))));
    if (head.type != RecordType::kGot || head.length != sizeof got) {
      return Fail(ErrorCode::kProtocol, "bulk: no word of the receiver");
    }
    SSI_TRY(stream_.Read(std::as_writable_bytes(std::span(&got, 1))));
    return SendResult{sum, bytes_};
  }

 private:
  Status Record(RecordType type,
                std::initializer_list<std::span<const std::byte>> parts) {
    RecordHead head{type, 0};
    for (auto part : parts) {
      head.length += static_cast<std::uint32_t>(part.size());
      if (type == RecordType::kPages || type == RecordType::kFile) {
        sum_.Add(part);
      }
    }
    std::array<std::span<const std::byte>, 3> all{};
    std::copy(parts.begin(), parts.end(), all.begin());
    return stream_.Write({BytesOf(head), all[0], all[1], all[2]});
  }

  Status FileBytes(std::uint32_t id, std::uint64_t offset, std::size_t size) {
    bytes_ += size;
    return Record(RecordType::kFile, {BytesOf(id), BytesOf(offset),
                                      std::span(buffer_).first(size)});
  }

  Status FileRange(const FileSource& file, const MemoryRun& range) {
    std::uint64_t done = 0;
    while (done < range.size) {
      std::size_t size =
          std::min<std::uint64_t>(buffer_.size(), range.size - done);
      ssize_t n = ::pread(file.fd, buffer_.data(), size,
                          static_cast<off_t>(range.address + done));
      if (n < 0) {
        return FailErrno(errno, "read a mapped file");
      }
      if (n == 0) {
        return {};  // the mapping reaches beyond the end of the file
      }
      SSI_TRY(FileBytes(file.id, range.address + done,
                        static_cast<std::size_t>(n)));
      done += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  Status MemoryRange(std::uint32_t id, const MemoryRun& range,
                     std::uint64_t offset) {
    std::uint64_t done = 0;
    while (done < range.size) {
      std::size_t size =
          std::min<std::uint64_t>(buffer_.size(), range.size - done);
      size = ReadMemoryPrefix(from_, RemoteAddr{range.address + done},
                              std::span(buffer_).first(size));
      if (size == 0) {
        return {};  // pages beyond the end of the file
      }
      SSI_TRY(FileBytes(id, offset + done, size));
      done += size;
    }
    return {};
  }

  proto::BulkStream& stream_;
  HostPid from_;
  Sum sum_;
  std::vector<std::byte> buffer_;
  std::uint64_t bytes_ = 0;
};

// `run` lies inside the runs of `contents`, which are in order.
bool Announced(const std::vector<MemoryRun>& contents, const MemoryRun& run) {
  auto at = std::partition_point(
      contents.begin(), contents.end(), [&run](const MemoryRun& known) {
        return known.address + known.size <= run.address;
      });
  // Neighbouring runs of two areas may be one run of the reader's.
  std::uint64_t from = run.address;
  std::uint64_t end = run.address + run.size;
  if (end < from) {
    return false;
  }
  while (from < end) {
    if (at == contents.end() || at->address > from) {
      return false;
    }
    from = at->address + at->size;
    ++at;
  }
  return true;
}

class Receiver {
 public:
  Receiver(proto::BulkStream& stream, const std::vector<MemoryRun>& contents,
           const Destination& destination)
      : stream_(stream),
        contents_(contents),
        destination_(destination),
        writer_(destination.process) {}

  Result<Checksum> Run() {
    buffer_.resize(kMostRecord);
    for (;;) {
      RecordHead head;
      SSI_TRY(stream_.Read(std::as_writable_bytes(std::span(&head, 1))));
      if (head.length > buffer_.size()) {
        return Fail(ErrorCode::kProtocol, "bulk: record of {} bytes",
                    head.length);
      }
      auto payload = std::span(buffer_).first(head.length);
      SSI_TRY(stream_.Read(payload));
      switch (head.type) {
        case RecordType::kPages:
          SSI_TRY(Pages(payload));
          break;
        case RecordType::kFile:
          SSI_TRY(File(payload));
          break;
        case RecordType::kEnd:
          return End(payload);
        default:
          return Fail(ErrorCode::kProtocol, "bulk: record type {}",
                      static_cast<std::uint32_t>(head.type));
      }
      sum_.Add(payload);
    }
  }

 private:
  Status Pages(std::span<const std::byte> payload) {
    std::uint32_t count = 0;
    if (payload.size() < sizeof count) {
      return Fail(ErrorCode::kProtocol, "bulk: short pages");
    }
    std::memcpy(&count, payload.data(), sizeof count);
    payload = payload.subspan(sizeof count);
    if (count > payload.size() / sizeof(MemoryRun)) {
      return Fail(ErrorCode::kProtocol, "bulk: {} runs", count);
    }
    runs_.resize(count);
    std::memcpy(runs_.data(), payload.data(), count * sizeof(MemoryRun));
    payload = payload.subspan(count * sizeof(MemoryRun));
    std::uint64_t total = 0;
    for (const auto& run : runs_) {
      total += run.size;
      if (run.size > payload.size() || total > payload.size() ||
          !Announced(contents_, run)) {
        return Fail(ErrorCode::kProtocol, "bulk: pages at {:#x}", run.address);
      }
    }
    if (total != payload.size()) {
      return Fail(ErrorCode::kProtocol, "bulk: pages without a run");
    }
    if (written_ && !destination_.nowhere) {
      written_ = writer_.Write(runs_, payload);
    }
    return {};
  }

  Status File(std::span<const std::byte> payload) {
    std::uint32_t id = 0;
    std::uint64_t offset = 0;
    if (payload.size() < sizeof id + sizeof offset) {
      return Fail(ErrorCode::kProtocol, "bulk: short file");
    }
    std::memcpy(&id, payload.data(), sizeof id);
    std::memcpy(&offset, payload.data() + sizeof id, sizeof offset);
    const auto& wanted = destination_.wanted;
    if (std::find(wanted.begin(), wanted.end(), id) == wanted.end()) {
      return Fail(ErrorCode::kProtocol, "bulk: file {} was not asked for", id);
    }
    if (written_) {
      written_ = destination_.write_file(
          id, offset, payload.subspan(sizeof id + sizeof offset));
    }
    return {};
  }

  Result<Checksum> End(std::span<const std::byte> payload) {
    Checksum mine = sum_.Value();
    Checksum theirs{};
    if (payload.size() != sizeof theirs) {
      return Fail(ErrorCode::kProtocol, "bulk: bad end");
    }
    std::memcpy(&theirs, payload.data(), sizeof theirs);
    if (mine != theirs) {
      return Fail(ErrorCode::kProtocol, "bulk: the checksum differs");
    }
    RecordHead head{RecordType::kGot, sizeof mine};
    SSI_TRY(stream_.Write({BytesOf(head), BytesOf(mine)}));
    SSI_TRY(written_);
    return mine;
  }

  proto::BulkStream& stream_;
  const std::vector<MemoryRun>& contents_;
  const Destination& destination_;
  PageWriter writer_;
  Status written_;  // as far as that went
  Sum sum_;
  std::vector<std::byte> buffer_;
  std::vector<MemoryRun> runs_;
};

}  // namespace

std::vector<FileSource> FileSourcesOf(
    const CapturedProcess& captured,
    const std::function<int(const MappedFile&)>& fd) {
  std::vector<FileSource> sources;
  for (const auto& file : captured.image.files) {
    FileSource source;
    source.id = file.id;
    source.fd = fd(file);
    for (const auto& area : captured.image.areas) {
      if (area.file != file.id) {
        continue;
      }
      if (source.fd >= 0) {
        source.ranges.push_back({area.vma.offset, area.vma.size()});
      } else {
        source.memory.push_back({area.vma.start, area.vma.size()});
        source.at.push_back(area.vma.offset);
      }
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<SendResult> StreamImage(proto::BulkStream& stream,
                               const CapturedProcess& captured, HostPid from,
                               const std::vector<FileSource>& files) {
  Sender sender(stream, from);
  SSI_TRY(sender.Image(captured));
  SSI_ASSIGN(auto wanted, sender.Wanted());
  for (std::uint32_t id : wanted) {
    auto file = std::find_if(
        files.begin(), files.end(),
        [id](const FileSource& source) { return source.id == id; });
    if (file == files.end()) {
      return Fail(ErrorCode::kProtocol, "bulk: file {} is wanted", id);
    }
    SSI_TRY(sender.File(*file));
  }
  SSI_TRY(sender.Pages(captured));
  return sender.End();
}

Result<CapturedProcess> ReadImage(proto::BulkStream& stream) {
  RecordHead head;
  SSI_TRY(stream.Read(std::as_writable_bytes(std::span(&head, 1))));
  if (head.type != RecordType::kImage || head.length > kMostImage) {
    return Fail(ErrorCode::kProtocol, "bulk: no image");
  }
  std::string bytes(head.length, '\0');
  SSI_TRY(stream.Read(std::as_writable_bytes(std::span(bytes))));
  wire::Image image;
  if (!image.ParseFromString(bytes)) {
    return Fail(ErrorCode::kProtocol, "bulk: bad image");
  }
  return FromWire(image);
}

Result<Checksum> ReadContents(proto::BulkStream& stream,
                              const std::vector<MemoryRun>& contents,
                              const Destination& destination) {
  RecordHead head{RecordType::kWanted,
                  static_cast<std::uint32_t>(destination.wanted.size() * 4)};
  SSI_TRY(stream.Write(
      {BytesOf(head), std::as_bytes(std::span(destination.wanted))}));
  return Receiver(stream, contents, destination).Run();
}

}  // namespace ssi::migration
