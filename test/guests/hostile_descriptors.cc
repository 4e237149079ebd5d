// Every forwarded call with each of its descriptors wrong in every way; prints
// a table of the results, which must be the same wherever it runs. All other
// arguments are good. Argument: SECONDS.
#include "hostile_table.h"

namespace {

using hostile::state;

constexpr const char* kNames[] = {"-1",        "least", "closed", "largest",
                                  "memory",    "path",  "dir",    "read-end",
                                  "write-end", "link"};

// A descriptor of that kind, made anew: the call may close it. All of them are
// the guest's own: root may change the mode even of /dev/null.
int Make(std::size_t kind) {
  int ends[2];
  switch (kind) {
    case 0:
      return -1;
    case 1:
      return -2147483647 - 1;
    case 2:
      return 77;
    case 3:
      return 2147483647;
    case 4:
      return SSI_OK(memfd_create("memory", 0));
    case 5:
      return SSI_OK(open("file", O_PATH));
    case 6:
      return SSI_OK(open("dir", O_RDONLY | O_DIRECTORY));
    case 7:
      SSI_OK(pipe2(ends, O_NONBLOCK));
      return ends[0];
    case 8:
      SSI_OK(pipe2(ends, O_NONBLOCK));
      return ends[1];
    default:
      return SSI_OK(open("link", O_PATH | O_NOFOLLOW));
  }
}

std::string Line(const hostile::Row& row, const std::vector<std::string>& words,
                 std::size_t bad) {
  static std::vector<unsigned char> memory(320 << 10);
  std::string line = std::string(row.name + (row.name[0] == '~' ? 1 : 0)) +
                     " " + std::to_string(bad) + ":";
  for (std::size_t kind = 0; kind < std::size(kNames); ++kind) {
    state->Restore();
    long arguments[6] = {};
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (hostile::IsPointer(words[i])) {
        const auto bytes = state->Bytes(words[i]);
        unsigned char* at = memory.data() + i * 8192;
        memcpy(at, bytes.data(), bytes.size());
        arguments[i] = reinterpret_cast<long>(at);
      } else {
        arguments[i] = i == bad ? Make(kind) : state->Number(words[i]);
      }
    }
    line +=
        std::string(" ") + kNames[kind] + "=" + hostile::Result(row, arguments);
  }
  return line + "\n";
}

void Table() {
  std::string table;
  for (const hostile::Row& row : hostile::kRows) {
    const std::vector<std::string> words = hostile::Words(row.arguments);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (hostile::IsDescriptor(words[i])) {
        table += Line(row, words, i);
      }
    }
  }
  hostile::Compare(table);
}

}  // namespace

int main(int argc, char** argv) {
  return hostile::Run(argc, argv, Table);
}
