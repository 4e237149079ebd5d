#include "process/vdso.h"

#include <elf.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "process/kernel.h"

namespace ssi {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kMostSymbols = 1024;
// movabs $address, %rax; jmp *%rax
constexpr std::uint64_t kJumpSize = 12;
constexpr std::uint64_t kStubSize = 64;

template <typename T>
std::optional<T> At(Bytes code, std::uint64_t offset) {
  if (offset > code.size() || code.size() - offset < sizeof(T)) {
    return std::nullopt;
  }
  T value{};
  std::memcpy(&value, code.data() + offset, sizeof value);
  return value;
}

std::optional<std::string_view> NameAt(Bytes code, std::uint64_t offset) {
  if (offset >= code.size()) {
    return std::nullopt;
  }
  const auto* from = reinterpret_cast<const char*>(code.data()) + offset;
  auto size = ::strnlen(from, code.size() - offset);
  return size == code.size() - offset
             ? std::nullopt
             : std::optional(std::string_view(from, size));
}

struct SymbolTable {
  std::uint64_t symbols = 0;
  std::uint64_t strings = 0;
  std::uint64_t hash = 0;  // 0: none

  // The table of hashes tells it. Without one: the names follow, as linkers
  // lay it out.
  [[nodiscard]] std::size_t Count(Bytes code) const {
    constexpr std::uint64_t kChains = 4;  // behind the number of buckets
    auto chains =
        hash == 0 ? std::nullopt : At<std::uint32_t>(code, hash + kChains);
    std::uint64_t between =
        strings > symbols ? (strings - symbols) / sizeof(Elf64_Sym) : 0;
    return std::min<std::uint64_t>(chains.value_or(between), kMostSymbols);
  }
};

// It is linked for address 0, so addresses in it are offsets.
std::optional<SymbolTable> FindSymbolTable(Bytes code) {
  auto header = At<Elf64_Ehdr>(code, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_machine != EM_X86_64) {
    return std::nullopt;
  }
  SymbolTable table;
  for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
    auto segment =
        At<Elf64_Phdr>(code, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment || segment->p_type != PT_DYNAMIC) {
      continue;
    }
    std::uint64_t at = segment->p_offset;
    for (auto entry = At<Elf64_Dyn>(code, at); entry && entry->d_tag != DT_NULL;
         entry = At<Elf64_Dyn>(code, at += sizeof(Elf64_Dyn))) {
      switch (entry->d_tag) {
        case DT_SYMTAB:
          table.symbols = entry->d_un.d_ptr;
          break;
        case DT_STRTAB:
          table.strings = entry->d_un.d_ptr;
          break;
        case DT_HASH:
          table.hash = entry->d_un.d_ptr;
          break;
        default:
          break;
      }
    }
  }
  return table.symbols == 0 || table.strings == 0 ? std::nullopt
                                                  : std::optional(table);
}

// ---- stubs ------------------------------------------------------------------

// What its stub does with a call.
enum class Way : std::uint8_t {
  kAlways,   // on into the local vdso
  kByClock,  // that, for the clocks that the vdso reads
  kCall,     // the system call. The local function keeps its state in memory
             // that the program has laid out for the kernel at home
};
struct Detour {
  std::string_view name;
  std::uint32_t number;
  Way way;
};
constexpr std::array kDetours = {
    Detour{"clock_gettime", SYS_clock_gettime, Way::kByClock},
    Detour{"clock_getres", SYS_clock_getres, Way::kByClock},
    Detour{"gettimeofday", SYS_gettimeofday, Way::kAlways},
    Detour{"time", SYS_time, Way::kAlways},
    Detour{"getcpu", SYS_getcpu, Way::kAlways},
    Detour{"getrandom", SYS_getrandom, Way::kCall}};

// Of these also the system call is answered natively (supervisor/calls/time.h).
constexpr std::uint32_t kClocks =
    1U << CLOCK_REALTIME | 1U << CLOCK_MONOTONIC | 1U << CLOCK_MONOTONIC_RAW |
    1U << CLOCK_REALTIME_COARSE | 1U << CLOCK_MONOTONIC_COARSE |
    1U << CLOCK_BOOTTIME | 1U << CLOCK_TAI;

class Code {
 public:
  Code& Put(std::initializer_list<unsigned char> bytes) {
    for (auto byte : bytes) {
      bytes_.push_back(std::byte{byte});
    }
    return *this;
  }
  template <typename T>
  Code& Number(T value) {
    auto raw = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  Code& JumpTo(std::uint64_t address) {
    return Put({0x48, 0xb8}).Number(address).Put({0xff, 0xe0});
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct Stub {
  Code code;
  std::uint64_t call = 0;  // the offset of `syscall`
};

// `local`: the function's address, or 0.
Stub MakeStub(const Detour& detour, std::uint64_t local) {
  Stub stub;
  Code& code = stub.code;
  if (detour.way == Way::kByClock && local != 0) {
    constexpr unsigned char kJump = kJumpSize;
    code.Put({0x83, 0xff, 31});             // cmp $31, %edi
    code.Put({0x77, kJump + 5 + 3 + 2});    // ja the call
    code.Put({0xb8}).Number(kClocks);       // mov $kClocks, %eax
    code.Put({0x0f, 0xa3, 0xf8});           // bt %edi, %eax
    code.Put({0x73, kJump}).JumpTo(local);  // jnc the call
  } else if (detour.way == Way::kAlways && local != 0) {
    code.JumpTo(local);
  } else if (detour.way == Way::kCall) {
    // getrandom asked for the shape of its state, which only the vdso has:
    // that there is none. A C library then makes the call.
    code.Put({0x49, 0x83, 0xf8, 0xff});            // cmp $-1, %r8
    code.Put({0x75, 8});                           // jne the call
    code.Put({0x48, 0xc7, 0xc0}).Number(-ENOSYS);  // mov $-ENOSYS, %rax
    code.Put({0xc3});                              // ret
  }
  code.Put({0xb8}).Number(detour.number);  // mov $number, %eax
  stub.call = code.size();
  code.Put({0x0f, 0x05, 0xc3});  // syscall; ret
  return stub;
}

const VdsoFunction* Find(const std::vector<VdsoFunction>& functions,
                         std::string_view name) {
  auto found = std::find_if(functions.begin(), functions.end(),
                            [name](const auto& f) { return f.name == name; });
  return found == functions.end() ? nullptr : &*found;
}

void Copy(const std::vector<std::byte>& from, std::vector<std::byte>& to,
          std::uint64_t at) {
  std::copy(from.begin(), from.end(),
            to.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

Result<std::vector<VdsoFunction>> FindVdsoFunctions(Bytes code) {
  auto table = FindSymbolTable(code);
  if (!table) {
    return Fail(ErrorCode::kProtocol, "not a vdso");
  }
  std::vector<VdsoFunction> functions;
  for (std::size_t i = 0; i < table->Count(code); ++i) {
    auto symbol = At<Elf64_Sym>(code, table->symbols + i * sizeof(Elf64_Sym));
    auto name =
        symbol ? NameAt(code, table->strings + symbol->st_name) : std::nullopt;
    if (!name) {
      return Fail(ErrorCode::kProtocol, "a vdso with a bad symbol");
    }
    constexpr std::string_view kPrefix = "__vdso_";
    if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
        symbol->st_shndx != SHN_UNDEF && name->starts_with(kPrefix)) {
      functions.push_back({std::string(name->substr(kPrefix.size())),
                           symbol->st_value, symbol->st_size});
    }
  }
  std::sort(functions.begin(), functions.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return functions;
}

Result<VdsoDetours> MakeDetours(Bytes carried, Bytes local,
                                const VdsoPlaces& places) {
  SSI_ASSIGN(auto functions, FindVdsoFunctions(carried));
  SSI_ASSIGN(auto there, FindVdsoFunctions(local));
  VdsoDetours detours;
  detours.code.assign(carried.begin(), carried.end());
  detours.stubs.resize(kPageSize);
  static_assert(kDetours.size() * kStubSize <= kPageSize);
  std::uint64_t next = 0;
  for (const auto& detour : kDetours) {
    const auto* function = Find(functions, detour.name);
    if (function == nullptr) {
      continue;
    }
    if (function->size < kJumpSize || function->offset > carried.size() ||
        carried.size() - function->offset < kJumpSize) {
      return Fail(ErrorCode::kUnsupported,
                  "no room for a jump in {} of home's vdso", detour.name);
    }
    const auto* target = Find(there, detour.name);
    Stub stub = MakeStub(
        detour, target == nullptr ? 0 : Raw(places.local + target->offset));
    Copy(stub.code.bytes(), detours.stubs, next);
    Copy(Code().JumpTo(Raw(places.stubs + next)).bytes(), detours.code,
         function->offset);
    detours.entries.push_back(
        {places.carried + function->offset, places.stubs + next + stub.call});
    next += kStubSize;
  }
  return detours;
}

bool VdsoDetours::Torn(RemoteAddr ip) const {
  return std::any_of(entries.begin(), entries.end(), [ip](const Entry& entry) {
    std::uint64_t at = Raw(ip) - Raw(entry.function);
    return at > 0 && at < kJumpSize;
  });
}

}  // namespace ssi
