// poll, select and their kin against the kernel.
#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include <catch2/catch.hpp>

#include "base/unique_fd.h"
#include "unit/supervisor/round_trip.h"

namespace ssi::supervisor {
namespace {

struct Pipe {
  Pipe() {
    int fds[2] = {-1, -1};
    if (::pipe(fds) != 0) {
      std::abort();
    }
    reader.Reset(fds[0]);
    writer.Reset(fds[1]);
  }
  void Fill() const {
    if (::write(writer.get(), "x", 1) != 1) {
      std::abort();
    }
  }
  UniqueFd reader;
  UniqueFd writer;
};

TEST_CASE("poll", "[round]") {
  Pipe pipe;
  RoundTrip call;
  pollfd fds[3] = {{pipe.reader.get(), POLLIN, -1},
                   {pipe.writer.get(), POLLOUT, -1},
                   {-1, POLLIN, 7}};
  CHECK(call(SYS_poll, fds, 3, 0) == 1);
  CHECK(fds[0].revents == 0);
  CHECK(fds[1].revents == POLLOUT);
  CHECK(fds[2].revents == 0);
  pipe.Fill();
  timespec limit{1, 0};
  CHECK(call(SYS_ppoll, fds, 3, &limit, std::uint64_t{0}, 8) == 2);
  CHECK(fds[0].revents == POLLIN);
  CHECK((limit.tv_sec == 0 || limit.tv_nsec == 0));
  CHECK(call(SYS_poll, fds, 0, 1) == 0);
}

TEST_CASE("poll with bad arguments", "[round]") {
  EdgePage edge;
  RoundTrip call;
  std::memset(edge.Last(8), 0xff, 8);
  for (std::uint64_t pointer : {std::uint64_t{0}, Word(edge.Bad()),
                                Word(edge.Last(8)), ~std::uint64_t{0}}) {
    for (std::uint64_t count :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2},
          std::uint64_t{0xffffffff}, std::uint64_t{1} << 32}) {
      CallArgs args{pointer, count, 0};
      INFO(pointer << " " << count);
      CHECK(call.Call(SYS_poll, args) == RawCall(SYS_poll, args));
      CallArgs with_mask{pointer, count, Word(edge.Bad()), 0, 8};
      CHECK(call.Call(SYS_ppoll, with_mask) == RawCall(SYS_ppoll, with_mask));
    }
  }
}

TEST_CASE("ppoll takes its mask", "[round]") {
  RoundTrip call;
  Pipe pipe;
  pipe.Fill();
  pollfd fd{pipe.reader.get(), POLLIN, 0};
  std::uint64_t mask = 0;
  EdgePage edge;
  for (std::uint64_t size : {8ULL, 4ULL, 16ULL, 1ULL << 40}) {
    CallArgs args{Word(&fd), 1, 0, Word(&mask), size};
    CHECK(call.Call(SYS_ppoll, args) == RawCall(SYS_ppoll, args));
  }
  CallArgs args{Word(&fd), 1, 0, Word(edge.Bad()), 8};
  CHECK(call.Call(SYS_ppoll, args) == RawCall(SYS_ppoll, args));
}

TEST_CASE("select", "[round]") {
  Pipe pipe;
  RoundTrip call;
  int count = std::max(pipe.reader.get(), pipe.writer.get()) + 1;
  fd_set readable;
  fd_set writable;
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_SET(pipe.reader.get(), &readable);
  FD_SET(pipe.writer.get(), &writable);
  timeval limit{1, 0};
  CHECK(call(SYS_select, count, &readable, &writable, std::uint64_t{0},
             &limit) == 1);
  CHECK_FALSE(FD_ISSET(pipe.reader.get(), &readable));
  CHECK(FD_ISSET(pipe.writer.get(), &writable));
  CHECK((limit.tv_sec == 0 || limit.tv_usec == 0));
  // The limit is counted down.
  FD_ZERO(&writable);
  limit = {0, 2000};
  CHECK(call(SYS_select, count, &readable, &writable, std::uint64_t{0},
             &limit) == 0);
  CHECK(limit.tv_usec == 0);
}

TEST_CASE("select with bad arguments", "[round]") {
  EdgePage edge;
  fd_set all;
  std::memset(&all, 0xff, sizeof(all));
  timeval none{0, 0};
  timeval bad{-1, 0};
  for (std::uint64_t set :
       {std::uint64_t{0}, Word(edge.Bad()), ~std::uint64_t{0}, Word(&all)}) {
    for (int count : {0, 1, -1, -1000, 64}) {
      for (timeval* limit : {&none, &bad}) {
        RoundTrip call;
        fd_set native = all;
        CallArgs args{Word(count), set, 0, 0, Word(limit)};
        std::int64_t expected = RawCall(SYS_select, args);
        all = native;
        INFO(set << " " << count);
        CHECK(call.Call(SYS_select, args) == expected);
        all = native;
      }
    }
  }
}

TEST_CASE("a set may be shorter than the count says", "[round]") {
  // The kernel looks at no more bits than the process has descriptors.
  EdgePage edge;
  RoundTrip call;
  std::memset(edge.Last(512), 0, 512);
  timeval none{0, 0};
  CallArgs args{1 << 20, Word(edge.Last(512)), 0, 0, Word(&none)};
  CHECK(RawCall(SYS_select, args) == 0);
  CHECK(call.Call(SYS_select, args) == 0);
  args[0] = 0x7fffffff;
  CHECK(call.Call(SYS_select, args) == RawCall(SYS_select, args));
}

TEST_CASE("pselect6 takes a pointer to a pointer", "[round]") {
  Pipe pipe;
  pipe.Fill();
  EdgePage edge;
  std::uint64_t mask = 0;
  struct {
    std::uint64_t set;
    std::uint64_t size;
  } pair{Word(&mask), 8};
  auto run = [&](std::uint64_t sixth) {
    RoundTrip call;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe.reader.get(), &set);
    timespec limit{0, 0};
    CallArgs args{
        Word(pipe.reader.get() + 1), Word(&set), 0, 0, Word(&limit), sixth};
    std::int64_t expected = RawCall(SYS_pselect6, args);
    FD_SET(pipe.reader.get(), &set);
    CHECK(call.Call(SYS_pselect6, args) == expected);
    return expected;
  };
  CHECK(run(Word(&pair)) == 1);
  CHECK(run(0) == 1);
  pair.size = 7;
  CHECK(run(Word(&pair)) == -EINVAL);
  pair = {0, 7};
  CHECK(run(Word(&pair)) == 1);
  pair = {Word(edge.Bad()), 8};
  CHECK(run(Word(&pair)) == -EFAULT);
  CHECK(run(Word(edge.Bad())) == -EFAULT);
}

TEST_CASE("a limit in memory that is read-only is no error", "[round]") {
  EdgePage edge;
  RoundTrip call;
  auto* limit = reinterpret_cast<timeval*>(edge.Last(4096));
  *limit = {0, 1000};
  REQUIRE(::mprotect(edge.Last(4096), 4096, PROT_READ) == 0);
  CallArgs args{0, 0, 0, 0, Word(limit)};
  CHECK(RawCall(SYS_select, args) == 0);
  CHECK(call.Call(SYS_select, args) == 0);
}

}  // namespace
}  // namespace ssi::supervisor
