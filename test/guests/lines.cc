// Copies lines from stdin to stdout until the end; each must start with its
// number, counted from 1. Somebody outside feeds it as slowly as he likes
// through a pipe, a fifo or a terminal. Arguments: how it waits (read, readv,
// preadv2, fgets, byte, poll, ppoll, select, pselect; all: another one for
// each line), and "prompt" to be told "? NUMBER" before each line.
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/uio.h>

#include <string>

#include "guest.h"

namespace {

// The line so far; the rest of it may come with the next read.
std::string buffered;

// Adds what one read returns; false at the end.
bool Add(long got, const char* bytes) {
  SSI_TRUE(got >= 0);
  buffered.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

bool ReadSome(const std::string& how) {
  char first[3];
  char bytes[4096];
  const iovec two[2] = {{first, sizeof first}, {bytes, sizeof bytes}};
  if (how == "readv" || how == "preadv2") {
    const long got = how == "readv"
                         ? readv(0, two, 2)
                         : syscall(SYS_preadv2, 0, two, 2, -1L, 0L, 0);
    const long head = got < 3 ? got : 3;
    return Add(head, first) && (got == head || Add(got - head, bytes));
  }
  return Add(read(0, bytes, how == "byte" ? 1 : sizeof bytes), bytes);
}

// Waits, with an hour's patience, until there is something to read.
void Wait(const std::string& how) {
  pollfd wait{0, POLLIN, 0};
  fd_set in;
  FD_ZERO(&in);
  FD_SET(0, &in);
  timespec hour{3600, 0};
  timeval long_time{3600, 0};
  sigset_t mask;
  sigemptyset(&mask);
  if (how == "poll") {
    SSI_EQ(poll(&wait, 1, 3'600'000), 1);
  } else if (how == "ppoll") {
    SSI_EQ(syscall(SYS_ppoll, &wait, 1, &hour, &mask, 8), 1);
    SSI_TRUE(hour.tv_sec > 1000);
  } else if (how == "select") {
    SSI_EQ(syscall(SYS_select, 1, &in, nullptr, nullptr, &long_time), 1);
    SSI_TRUE(FD_ISSET(0, &in) && long_time.tv_sec > 1000);
  } else if (how == "pselect") {
    SSI_EQ(pselect(1, &in, nullptr, nullptr, nullptr, &mask), 1);
    SSI_TRUE(FD_ISSET(0, &in));
  }
}

bool GetLine(const std::string& how, std::string* line) {
  if (how == "fgets" && buffered.empty()) {
    char text[4096];
    setvbuf(stdin, nullptr, _IONBF, 0);  // nothing is left in libc's buffer
    if (fgets(text, sizeof text, stdin) == nullptr) {
      return false;
    }
    *line = text;
    return true;
  }
  while (buffered.find('\n') == std::string::npos) {
    Wait(how);
    if (!ReadSome(how)) {
      SSI_TRUE(buffered.empty());  // no half line at the end
      return false;
    }
  }
  const std::size_t size = buffered.find('\n') + 1;
  *line = buffered.substr(0, size);
  buffered.erase(0, size);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr const char* kAll[] = {"read", "readv", "preadv2", "fgets",  "byte",
                                  "poll", "ppoll", "select",  "pselect"};
  const std::string how = argc > 1 ? argv[1] : "read";
  const bool prompt = argc > 2 && strcmp(argv[2], "prompt") == 0;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  std::string line;
  for (long number = 1;; ++number) {
    if (prompt) {
      printf("? %ld\n", number);
    }
    if (!GetLine(how == "all" ? kAll[number % 9] : how, &line)) {
      break;
    }
    SSI_EQ(atol(line.c_str()), number);
    fputs(line.c_str(), stdout);
    guest::Compute(1);
  }
  puts("PASS");
}
