// Every forwarded call with each of its pointers bad in every way; prints a
// table of the results, which must be the same wherever it runs. All other
// arguments are good. Argument: SECONDS.
//
// Left out: writes to /dev/null, which natively do not look at the memory.
#include "hostile_table.h"

namespace {

using hostile::kPage;

// Memory of every kind of badness. Good memory lies before `edge_`.
class Places {
 public:
  Places() {
    // 64 pages; unmapped; a page that cannot be written; one that cannot
    // even be read; unmapped.
    void* area = mmap(nullptr, 70 * kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SSI_TRUE(area != MAP_FAILED);
    base_ = static_cast<unsigned char*>(area);
    SSI_OK(munmap(base_ + 64 * kPage, kPage));
    SSI_OK(munmap(base_ + 69 * kPage, kPage));
  }

  static constexpr const char* kNames[] = {
      "null", "low",  "unmapped", "edge",    "read-only", "none",
      "top",  "past", "kernel",   "strange", "minus-one"};

  // Puts `bytes` there, as far as there is room, and says where that is.
  long Put(std::size_t kind, const std::vector<unsigned char>& bytes) {
    unsigned char* edge = base_ + 64 * kPage;
    unsigned char* read_only = base_ + 65 * kPage;
    switch (kind) {
      case 0:
        return 0;
      case 1:
        return 8;
      case 2:
        return Address(edge);
      case 3: {  // the first half is there
        const std::size_t half = bytes.size() / 2;
        memcpy(edge - half, bytes.data(), half);
        return Address(edge - half);
      }
      case 4:
        SSI_OK(mprotect(read_only, 4 * kPage, PROT_READ | PROT_WRITE));
        memcpy(read_only, bytes.data(), Fitting(bytes));
        SSI_OK(mprotect(read_only, 4 * kPage, PROT_READ));
        return Address(read_only);
      case 5:
        SSI_OK(mprotect(read_only, 4 * kPage, PROT_NONE));
        return Address(read_only);
      case 6:
        return 0x7fffffffeff8;  // the last mappable byte is at ...efff
      case 7:
        return 0x7ffffffff000;
      case 8:
        return static_cast<long>(0xffff888000000000);
      case 9:
        return static_cast<long>(0x8000000000000000);
      default:
        return -1;
    }
  }

  long Good(const std::vector<unsigned char>& bytes, std::size_t argument) {
    // 300 KiB at the most for the one large buffer, at the front.
    unsigned char* at =
        heap_.data() + (bytes.size() > 8192 ? 0 : (40 + argument) * 8192);
    memcpy(at, bytes.data(), bytes.size());
    return Address(at);
  }

 private:
  static long Address(const unsigned char* at) {
    return reinterpret_cast<long>(at);
  }
  static std::size_t Fitting(const std::vector<unsigned char>& bytes) {
    return bytes.size() < 4 * kPage ? bytes.size() : 4 * kPage;
  }

  unsigned char* base_ = nullptr;
  std::vector<unsigned char> heap_ = std::vector<unsigned char>(46 * 8192);
};

using hostile::state;
Places* places = nullptr;

// What docs/limits.md says of arguments of which only a part can be read or
// written ("Half of an argument").
bool IsExcluded(const hostile::Row& row, const char* kind) {
  constexpr long kHalf[] = {SYS_capget,
                            SYS_capset,
                            SYS_sched_setaffinity,
                            SYS_open_by_handle_at,
                            SYS_rt_sigqueueinfo,
                            SYS_rt_tgsigqueueinfo};
  const bool edge = strcmp(kind, "edge") == 0;
  for (const long number : kHalf) {
    if (edge && row.number == number) {
      return true;
    }
  }
  return (edge && strcmp(row.name, "read pipe") == 0) ||
         ((row.number == SYS_waitid || row.number == SYS_capget) &&
          strcmp(kind, "read-only") == 0);
}

// One line: the results with argument `bad` bad in every way.
std::string Line(const hostile::Row& row, const std::vector<std::string>& words,
                 std::size_t bad) {
  std::string line = std::string(row.name + (row.name[0] == '~' ? 1 : 0)) +
                     " " + std::to_string(bad) + ":";
  for (std::size_t kind = 0; kind < std::size(Places::kNames); ++kind) {
    if (IsExcluded(row, Places::kNames[kind])) {
      continue;
    }
    state->Restore();
    long arguments[6] = {};
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (!hostile::IsPointer(words[i])) {
        arguments[i] = state->Number(words[i]);
      } else {
        const auto bytes = state->Bytes(words[i]);
        arguments[i] =
            i == bad ? places->Put(kind, bytes) : places->Good(bytes, i);
      }
    }
    line += std::string(" ") + Places::kNames[kind] + "=" +
            hostile::Result(row, arguments);
  }
  return line + "\n";
}

// An iovec that is good up to the second of its pieces.
std::string VectorLine(long number, const char* name) {
  std::string line = std::string(name) + " second piece:";
  for (std::size_t kind = 0; kind < std::size(Places::kNames); ++kind) {
    state->Restore();
    const std::vector<unsigned char> bytes(100);
    const iovec pieces[2] = {
        {reinterpret_cast<void*>(places->Good(bytes, 0)), 30},
        {reinterpret_cast<void*>(places->Put(kind, bytes)), 100}};
    const long arguments[6] = {
        state->file(), reinterpret_cast<long>(pieces), 2, 10, 0, 0};
    line += std::string(" ") + Places::kNames[kind] + "=" +
            hostile::Result({number, name, ""}, arguments);
  }
  return line + "\n";
}

void Table() {
  std::string table;
  for (const hostile::Row& row : hostile::kRows) {
    const std::vector<std::string> words = hostile::Words(row.arguments);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (hostile::IsPointer(words[i])) {
        table += Line(row, words, i);
      }
    }
  }
  table += VectorLine(SYS_readv, "readv");
  table += VectorLine(SYS_writev, "writev");
  table += VectorLine(SYS_preadv, "preadv");
  table += VectorLine(SYS_pwritev2, "pwritev2");
  hostile::Compare(table);
}

}  // namespace

int main(int argc, char** argv) {
  Places all_places;
  places = &all_places;
  return hostile::Run(argc, argv, Table);
}
