// Computes, then ends with a status. Arguments: STATUS, SECONDS, and how:
// return (default), exit, _exit, exit_group, thread (exit of its only thread).
#include <string>

#include "guest.h"

namespace {

void Last() {
  puts("PASS");
}

}  // namespace

int main(int argc, char** argv) {
  const int status = argc > 1 ? atoi(argv[1]) : 0;
  const std::string how = argc > 3 ? argv[3] : "return";
  setvbuf(stdout, nullptr, _IOLBF, 0);
  guest::Compute(static_cast<int>(guest::Seconds(argc, argv, 2) * 1000));
  SSI_EQ(atexit(Last), 0);
  if (how == "exit") {
    exit(status);
  }
  if (how == "return") {
    return status;
  }
  Last();  // the others do not run what was registered
  if (how == "_exit") {
    _exit(status);
  } else if (how == "exit_group") {
    syscall(SYS_exit_group, status);
  }
  syscall(SYS_exit, status);
  return status;
}
