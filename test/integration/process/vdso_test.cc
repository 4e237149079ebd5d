// The detours of a vdso that came along, in this process: a copy of its own
// vdso, with the jumps, called at another address.
#include "process/vdso.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <catch2/catch.hpp>

#include "process/kernel.h"
#include "process/memory.h"
#include "process/vmas.h"

namespace ssi {
namespace {

struct Own {
  std::uint64_t address = 0;
  std::vector<std::byte> code;
};

Own OwnVdso() {
  auto vmas = ReadVmaRanges(HostPid{::getpid()});
  REQUIRE(vmas);
  for (const auto& vma : *vmas) {
    if (vma.kind == Vma::Kind::kVdso) {
      Own own{vma.start, std::vector<std::byte>(vma.size())};
      REQUIRE(ReadMemory(HostPid{::getpid()}, RemoteAddr{vma.start}, own.code));
      return own;
    }
  }
  FAIL("no vdso");
  return {};
}

// A copy with jumps into stubs, and the page of zeros that its time pages are,
// before it as everywhere.
class Carried {
 public:
  // `local`: what the stubs lead to.
  explicit Carried(const std::vector<std::byte>& local) {
    Own own = OwnVdso();
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, kTimePages + own.code.size() + kPageSize,
               PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    code_ = base_ + kTimePages;
    std::byte* stubs = code_ + own.code.size();
    auto address = [](const std::byte* at) {
      return RemoteAddr{reinterpret_cast<std::uint64_t>(at)};
    };
    auto made = MakeDetours(own.code, local,
                            {.carried = address(code_),
                             .stubs = address(stubs),
                             .local = RemoteAddr{own.address}});
    REQUIRE(made);
    detours = *std::move(made);
    std::memcpy(code_, detours.code.data(), detours.code.size());
    std::memcpy(stubs, detours.stubs.data(), detours.stubs.size());
    size_ = kTimePages + own.code.size() + kPageSize;
    REQUIRE(::mprotect(base_, size_, PROT_READ | PROT_EXEC) == 0);
    auto functions = FindVdsoFunctions(own.code);
    REQUIRE(functions);
    functions_ = *functions;
  }
  ~Carried() { ::munmap(base_, size_); }
  Carried(const Carried&) = delete;
  Carried& operator=(const Carried&) = delete;
  Carried(Carried&&) = delete;
  Carried& operator=(Carried&&) = delete;

  template <typename Function>
  Function* Get(const std::string& name) const {
    for (const auto& function : functions_) {
      if (function.name == name) {
        return reinterpret_cast<Function*>(code_ + function.offset);
      }
    }
    return nullptr;
  }
  VdsoDetours detours;

 private:
  static constexpr std::size_t kTimePages = 16 * kPageSize;
  std::byte* base_ = nullptr;
  std::byte* code_ = nullptr;
  std::size_t size_ = 0;
  std::vector<VdsoFunction> functions_;
};

using GetTime = int(clockid_t, timespec*);

void CheckClocks(const Carried& carried) {
  auto* get_time = carried.Get<GetTime>("clock_gettime");
  auto* get_resolution = carried.Get<GetTime>("clock_getres");
  REQUIRE(get_time != nullptr);
  for (clockid_t clock = 0; clock < 12; ++clock) {
    timespec before{};
    timespec now{};
    timespec after{};
    int result = ::clock_gettime(clock, &before);
    INFO("clock " << clock);
    CHECK(get_time(clock, &now) == (result == 0 ? 0 : -EINVAL));
    ::clock_gettime(clock, &after);
    auto nanoseconds = [](const timespec& t) {
      return t.tv_sec * 1'000'000'000 + t.tv_nsec;
    };
    CHECK(nanoseconds(before) <= nanoseconds(now));
    CHECK(nanoseconds(now) <= nanoseconds(after));
    timespec resolution{};
    if (get_resolution != nullptr && ::clock_getres(clock, &before) == 0) {
      CHECK(get_resolution(clock, &resolution) == 0);
      CHECK(nanoseconds(before) == nanoseconds(resolution));
    }
  }
  timespec now{};
  CHECK(get_time(-7, &now) == 0);  // CPU time of this process
  CHECK(get_time(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  CHECK(get_time(12345, &now) == -EINVAL);
}

void CheckOthers(const Carried& carried) {
  timeval day{};
  REQUIRE(carried.Get<int(timeval*, void*)>("gettimeofday")(&day, nullptr) ==
          0);
  time_t now = ::time(nullptr);
  CHECK(std::abs(day.tv_sec - now) <= 1);
  time_t told = 0;
  CHECK(std::abs(carried.Get<time_t(time_t*)>("time")(&told) - now) <= 1);
  CHECK(std::abs(told - now) <= 1);
  unsigned cpu = 12345;
  CHECK(carried.Get<int(unsigned*, unsigned*, void*)>("getcpu")(&cpu, nullptr,
                                                                nullptr) == 0);
  CHECK(cpu < 12345);
  using Random = long(void*, std::size_t, unsigned, void*, std::size_t);
  if (auto* random = carried.Get<Random>("getrandom")) {
    std::array<std::byte, 32> bytes{};
    std::array<std::byte, 256> state{};
    CHECK(random(nullptr, 0, 0, state.data(), ~std::size_t{0}) == -ENOSYS);
    CHECK(random(bytes.data(), bytes.size(), 0, state.data(), 144) == 32);
    CHECK(bytes != std::array<std::byte, 32>{});
  }
}

TEST_CASE("what came along leads to the local vdso") {
  Carried carried(OwnVdso().code);
  CheckClocks(carried);
  CheckOthers(carried);
}

// Its functions have other names: as if it had none of ours.
TEST_CASE("where the local vdso lacks a function, the system call is made") {
  auto local = OwnVdso().code;
  std::string_view text(reinterpret_cast<const char*>(local.data()),
                        local.size());
  constexpr std::string_view kPrefix = "__vdso_";
  for (auto at = text.find(kPrefix); at != std::string_view::npos;
       at = text.find(kPrefix, at + kPrefix.size())) {
    local[at + kPrefix.size()] = std::byte{'x'};
  }
  Carried carried(local);
  CheckClocks(carried);
  CheckOthers(carried);
}

// That code, entered in the middle, finds zeros for time pages. Here it is all
// of it, from its beginning.
TEST_CASE("without detours it finds no clock, and makes the system call") {
  Own own = OwnVdso();
  constexpr std::size_t kTimePages = 16 * kPageSize;
  auto* base = static_cast<std::byte*>(
      ::mmap(nullptr, kTimePages + own.code.size(), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(base != MAP_FAILED);
  std::memcpy(base + kTimePages, own.code.data(), own.code.size());
  REQUIRE(::mprotect(base, kTimePages + own.code.size(),
                     PROT_READ | PROT_EXEC) == 0);
  auto functions = FindVdsoFunctions(own.code);
  REQUIRE(functions);
  for (const auto& function : *functions) {
    if (function.name == "clock_gettime") {
      auto* get_time =
          reinterpret_cast<GetTime*>(base + kTimePages + function.offset);
      timespec before{};
      timespec now{};
      ::clock_gettime(CLOCK_MONOTONIC, &before);
      CHECK(get_time(CLOCK_MONOTONIC, &now) == 0);
      CHECK((now.tv_sec > before.tv_sec ||
             (now.tv_sec == before.tv_sec && now.tv_nsec >= before.tv_nsec)));
    }
  }
  ::munmap(base, kTimePages + own.code.size());
}

TEST_CASE("a thread inside of what a jump replaces is noticed") {
  Carried carried(OwnVdso().code);
  REQUIRE(carried.detours.entries.size() >= 4);
  for (const auto& entry : carried.detours.entries) {
    CHECK_FALSE(carried.detours.Torn(entry.function));
    CHECK(carried.detours.Torn(entry.function + 1));
    CHECK(carried.detours.Torn(entry.function + 11));
    CHECK_FALSE(carried.detours.Torn(entry.function + 12));
  }
}

// The bytes may come from another node: whatever they are, an answer.
TEST_CASE("what is no vdso is refused", "[sample]") {
  auto code = OwnVdso().code;
  VdsoPlaces places;
  CHECK_FALSE(FindVdsoFunctions({}));
  CHECK_FALSE(MakeDetours(std::vector<std::byte>(100), code, places));
  for (std::size_t at = 0; at < 0x800; ++at) {
    auto changed = code;
    changed[at] ^= std::byte{0xff};
    (void)MakeDetours(changed, code, places);
    changed.resize(at);
    (void)MakeDetours(changed, code, places);
  }
}

}  // namespace
}  // namespace ssi
