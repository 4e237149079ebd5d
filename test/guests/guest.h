// What the guests share: checks that end the guest at once, rounds until its
// time is up, a directory of its own, patterns. Nothing of the project is in
// it, and nothing here makes a call that a check is about.
#ifndef SSI_TEST_GUESTS_GUEST_H_
#define SSI_TEST_GUESTS_GUEST_H_

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace guest {

// Says what went wrong and ends the guest; may be called in a handler.
[[noreturn]] inline void Fail(const char* file, int line, const char* what,
                              long got, long want) {
  const int error = errno;
  const char* slash = strrchr(file, '/');
  char text[512];
  const int size = snprintf(
      text, sizeof text, "FAIL %s:%d %s got %ld want %ld (errno %d)\n",
      slash != nullptr ? slash + 1 : file, line, what, got, want, error);
  const auto length = static_cast<std::size_t>(size);
  if (write(2, text, length < sizeof text ? length : sizeof text - 1) < 0) {
    _exit(2);
  }
  _exit(1);
}

inline void Equal(const char* file, int line, const char* what, long got,
                  long want) {
  if (got != want) {
    Fail(file, line, what, got, want);
  }
}

inline int Ok(const char* file, int line, const char* what, long got) {
  if (got < 0) {
    Fail(file, line, what, got, 0);
  }
  return static_cast<int>(got);
}

inline void Fails(const char* file, int line, const char* what, long got,
                  int error) {
  if (got != -1) {
    Fail(file, line, what, got, -1);
  }
  if (errno != error) {
    Fail(file, line, what, errno, error);
  }
}

}  // namespace guest

// A condition; two equal numbers; a call that succeeds (its result); a call
// that fails with one errno.
#define SSI_TRUE(condition) \
  guest::Equal(__FILE__, __LINE__, #condition, (condition) ? 1 : 0, 1)
#define SSI_EQ(got, want)                                        \
  guest::Equal(__FILE__, __LINE__, #got, static_cast<long>(got), \
               static_cast<long>(want))
#define SSI_OK(call) \
  guest::Ok(__FILE__, __LINE__, #call, static_cast<long>(call))
#define SSI_FAILS(call, error) \
  guest::Fails(__FILE__, __LINE__, #call, static_cast<long>(call), error)

namespace guest {

inline std::int64_t Nanoseconds(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now{};
  SSI_OK(clock_gettime(clock, &now));
  return now.tv_sec * 1'000'000'000L + now.tv_nsec;
}

// ---- patterns --------------------------------------------------------------

constexpr std::uint64_t Mix(std::uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// Byte `at` of the endless stream of `seed`.
constexpr unsigned char ByteAt(std::uint64_t seed, std::uint64_t at) {
  return static_cast<unsigned char>(Mix(seed + at / 8) >> (at % 8 * 8));
}

// `to` becomes the bytes of the stream from `at` on.
inline void Fill(void* to, std::size_t size, std::uint64_t seed,
                 std::uint64_t at = 0) {
  auto* bytes = static_cast<unsigned char*>(to);
  std::size_t i = 0;
  for (; i < size && (at + i) % 8 != 0; ++i) {
    bytes[i] = ByteAt(seed, at + i);
  }
  for (; i + 8 <= size; i += 8) {
    const std::uint64_t word = Mix(seed + (at + i) / 8);
    memcpy(bytes + i, &word, 8);
  }
  for (; i < size; ++i) {
    bytes[i] = ByteAt(seed, at + i);
  }
}

// Are `size` bytes those of the stream from `at` on?
inline bool Holds(const void* from, std::size_t size, std::uint64_t seed,
                  std::uint64_t at = 0) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  for (std::size_t i = 0; i < size;) {
    if ((at + i) % 8 == 0 && i + 8 <= size) {
      const std::uint64_t want = Mix(seed + (at + i) / 8);
      if (memcmp(bytes + i, &want, 8) != 0) {
        return false;
      }
      i += 8;
    } else if (bytes[i] == ByteAt(seed, at + i)) {
      ++i;
    } else {
      return false;
    }
  }
  return true;
}

inline bool IsZero(const void* from, std::size_t size) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  return size == 0 ||
         (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

// Computes for about `milliseconds` of wall clock with no call but the
// vdso's, so that a hop is likely to fall into what stands around it.
inline void Compute(int milliseconds) {
  const std::int64_t end = Nanoseconds() + milliseconds * 1'000'000L;
  volatile std::uint64_t value = 1;
  while (Nanoseconds() < end) {
    for (int i = 0; i < 10000; ++i) {
      value = Mix(value);
    }
  }
}

// ---- children (guests named fork_* and comehome_* only) --------------------

// A child that does `what` and ends with 0, unless `what` ends it otherwise.
template <typename What>
pid_t Fork(What what) {
  fflush(stdout);
  const pid_t child = SSI_OK(fork());
  if (child == 0) {
    what();
    _exit(0);
  }
  return child;
}

// Waits for the end of `child`; its wait status.
inline int Reap(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) != child) {
    SSI_EQ(errno, EINTR);
  }
  return status;
}

// A short pause of a child before it does what its parent waits for: it is
// pacing, so that the parent does wait, and nothing depends on it.
inline void Pace(int milliseconds = 20) {
  const timespec pause{0, milliseconds * 1'000'000L};
  nanosleep(&pause, nullptr);
}

// ---- rounds ----------------------------------------------------------------

struct Part {
  const char* name;
  void (*check)();
};

// Said by a part that this machine cannot run; the output then has the reason.
inline const char* skip_reason = nullptr;

// True in the first round: for state that is made once and must then last.
inline bool first_round = true;

// argv[index] in seconds (fractions allowed), 1 if it is not there.
inline double Seconds(int argc, char** argv, int index = 1) {
  return argc > index ? atof(argv[index]) : 1.0;
}

// All parts in order, again and again until the time is up, at least once.
// Only the first round prints.
inline void Rounds(double seconds, std::initializer_list<Part> parts) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::int64_t end =
      Nanoseconds() + static_cast<std::int64_t>(seconds * 1e9);
  do {
    for (const Part& part : parts) {
      skip_reason = nullptr;
      part.check();
      if (first_round && skip_reason != nullptr) {
        printf("skip %s: %s\n", part.name, skip_reason);
      } else if (first_round) {
        printf("ok %s\n", part.name);
      }
    }
    first_round = false;
  } while (Nanoseconds() < end);
}

inline int Run(double seconds, std::initializer_list<Part> parts) {
  Rounds(seconds, parts);
  puts("PASS");
  return 0;
}

// The same in a fresh directory, which must be empty after `last`.
inline int RunInDirectory(double seconds, std::initializer_list<Part> parts,
                          void (*last)() = nullptr) {
  char name[] = "guest.XXXXXX";
  SSI_TRUE(mkdtemp(name) != nullptr);
  SSI_OK(chdir(name));
  Rounds(seconds, parts);
  if (last != nullptr) {
    last();
  }
  SSI_OK(chdir(".."));
  SSI_OK(rmdir(name));
  puts("PASS");
  return 0;
}

}  // namespace guest

#endif  // SSI_TEST_GUESTS_GUEST_H_
