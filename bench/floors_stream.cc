// What streaming a process's memory into another process costs with nothing
// around it: no scan, no checksum, no zero pages left out.
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "base/check.h"
#include "bench.h"
#include "proto/bulk_stream.h"

namespace ssi::bench {

namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* MapHuge(std::size_t size) {
  void* at = ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    Die("mmap");
  }
  auto address = reinterpret_cast<std::uintptr_t>(at);
  address = (address + kHugePage - 1) / kHugePage * kHugePage;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  at = reinterpret_cast<void*>(address);
  ::madvise(at, size, MADV_HUGEPAGE);
  return static_cast<std::byte*>(at);
}

proto::TlsContext Context() {
  std::array<std::byte, proto::kKeySize> key{};
  auto context = proto::TlsContext::Make(proto::Key::FromBytes(key), "floor");
  SSI_CHECK(context.has_value());
  return *std::move(context);
}

enum class Way { kRead, kWrite };

void Move(Way way, pid_t pid, std::byte* remote, std::byte* local,
          std::size_t size) {
  iovec mine{local, size};
  iovec theirs{remote, size};
  ssize_t n = way == Way::kRead
                  ? ::process_vm_readv(pid, &mine, 1, &theirs, 1, 0)
                  : ::process_vm_writev(pid, &mine, 1, &theirs, 1, 0);
  SSI_CHECK(n == static_cast<ssize_t>(size));
}

// A process whose memory at `at` is used by the others; `fill` makes it touch
// all of it first.
class Holder {
 public:
  Holder(int cpu, std::byte* at, std::size_t size, bool fill)
      : ready_(static_cast<std::atomic<int>*>(SharedMemory(sizeof(int)))),
        process_(cpu, [&] {
          if (fill) {
            std::uint64_t value = 88172645463325252;
            for (std::size_t i = 0; i < size; i += sizeof value) {
              value ^= value << 13;
              value ^= value >> 7;
              value ^= value << 17;
              std::memcpy(at + i, &value, sizeof value);
            }
          }
          *ready_ = 1;
          for (;;) {
            ::pause();
          }
        }) {
    while (*ready_ == 0) {
      ::usleep(1000);
    }
  }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }

 private:
  std::atomic<int>* ready_;
  Process process_;
};

void Receive(UniqueFd socket, pid_t target, std::byte* at, std::size_t size) {
  auto context = Context();
  auto stream = proto::BulkStream::Server(std::move(socket), context);
  SSI_CHECK(stream && (*stream)->Handshake());
  std::vector<std::byte> buffer(kPiece);
  for (std::size_t done = 0; done < size; done += kPiece) {
    SSI_CHECK((*stream)->Read(buffer).has_value());
    Move(Way::kWrite, target, at + done, buffer.data(), kPiece);
  }
  SSI_CHECK((*stream)->Write(std::span(buffer).first(1)).has_value());
}

}  // namespace

double Stream(const Cpus& cpus, std::size_t megabytes) {
  std::size_t size = megabytes << 20;
  std::byte* at = MapHuge(size);  // the same place in both
  Holder source(cpus.home, at, size, true);
  Holder target(cpus.away, at, size, false);
  auto ends = TcpPair();
  Process receiver(cpus.away, [&] {
    ends.first.Reset();
    Receive(std::move(ends.second), target.pid(), at, size);
  });
  ends.second.Reset();
  PinTo(cpus.home);
  auto context = Context();
  auto stream = proto::BulkStream::Client(std::move(ends.first), context);
  SSI_CHECK(stream && (*stream)->Handshake());
  std::vector<std::byte> buffer(kPiece);
  double start = Now();
  for (std::size_t done = 0; done < size; done += kPiece) {
    Move(Way::kRead, source.pid(), at + done, buffer.data(), kPiece);
    SSI_CHECK((*stream)->Write(buffer).has_value());
  }
  SSI_CHECK((*stream)->Read(std::span(buffer).first(1)).has_value());
  return (Now() - start) * 1e3;
}

}  // namespace ssi::bench
