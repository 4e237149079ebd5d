// What else is done with files: extended attributes, moving data between
// descriptors in the kernel, watching them, asynchronous I/O.
// Argument: SECONDS.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "guest.h"

namespace {

constexpr std::size_t kSize = 50'000;
unsigned char bytes[kSize];
unsigned char back[kSize];

int MakeFile(const char* name, std::uint64_t seed) {
  const int fd = SSI_OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
  guest::Fill(bytes, kSize, seed);
  SSI_EQ(write(fd, bytes, kSize), kSize);
  return fd;
}

void Attributes() {
  const int fd = MakeFile("file", 1);
  if (setxattr("file", "user.name", "value", 5, XATTR_CREATE) != 0) {
    guest::skip_reason = "no user attributes on this file system";
  } else {
    char text[64] = {};
    SSI_FAILS(setxattr("file", "user.name", "x", 1, XATTR_CREATE), EEXIST);
    SSI_OK(fsetxattr(fd, "user.second", "more", 4, 0));
    guest::Compute(2);
    SSI_EQ(getxattr("file", "user.name", nullptr, 0), 5);
    SSI_EQ(getxattr("file", "user.name", text, sizeof text), 5);
    SSI_EQ(strcmp(text, "value"), 0);
    SSI_FAILS(getxattr("file", "user.name", text, 2), ERANGE);
    SSI_EQ(lgetxattr("file", "user.second", text, sizeof text), 4);
    SSI_EQ(fgetxattr(fd, "user.second", text, sizeof text), 4);
    SSI_EQ(listxattr("file", text, sizeof text), 22);
    SSI_EQ(flistxattr(fd, nullptr, 0), 22);
    SSI_OK(removexattr("file", "user.name"));
    SSI_FAILS(fremovexattr(fd, "user.name"), ENODATA);
    SSI_EQ(llistxattr("file", text, sizeof text), 12);
  }
  SSI_OK(close(fd));
  SSI_OK(unlink("file"));
}

void Moving() {
  const int from = MakeFile("from", 2);
  const int to = SSI_OK(open("to", O_RDWR | O_CREAT | O_TRUNC, 0600));
  int ends[2];
  SSI_OK(pipe(ends));
  off_t at = 1000;
  SSI_EQ(sendfile(to, from, &at, 5000), 5000);
  SSI_EQ(at, 6000);
  SSI_EQ(pread(to, back, 5000, 0), 5000);
  SSI_TRUE(guest::Holds(back, 5000, 2, 1000));
  loff_t in = 2000;
  loff_t out = 7000;
  const long copied = copy_file_range(from, &in, to, &out, 4000, 0);
  SSI_TRUE(copied == 4000 || (copied == -1 && errno == EOPNOTSUPP));
  guest::Compute(2);
  if (copied == 4000) {
    SSI_EQ(pread(to, back, 4000, 7000), 4000);
    SSI_TRUE(guest::Holds(back, 4000, 2, 2000));
  }
  in = 3000;
  SSI_EQ(splice(from, &in, ends[1], nullptr, 4096, 0), 4096);
  int second[2];
  SSI_OK(pipe(second));
  SSI_EQ(tee(ends[0], second[1], 1000, 0), 1000);
  SSI_EQ(read(second[0], back, kSize), 1000);
  SSI_TRUE(guest::Holds(back, 1000, 2, 3000));
  SSI_EQ(lseek(to, 0, SEEK_SET), 0);
  SSI_EQ(splice(ends[0], nullptr, to, nullptr, 4096, SPLICE_F_MOVE), 4096);
  SSI_EQ(pread(to, back, 4096, 0), 4096);
  SSI_TRUE(guest::Holds(back, 4096, 2, 3000));
  const iovec one{bytes, 3000};
  SSI_EQ(vmsplice(ends[1], &one, 1, 0), 3000);
  SSI_EQ(read(ends[0], back, kSize), 3000);
  SSI_TRUE(guest::Holds(back, 3000, 2));
  for (const int fd : {from, to, ends[0], ends[1], second[0], second[1]}) {
    SSI_OK(close(fd));
  }
  SSI_OK(unlink("from"));
  SSI_OK(unlink("to"));
}

void Watching() {
  const int fd = SSI_OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  const int watch =
      SSI_OK(inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVE));
  alignas(inotify_event) char events[4096];
  SSI_FAILS(read(fd, events, sizeof events), EAGAIN);
  SSI_OK(close(MakeFile("seen", 3)));
  SSI_OK(rename("seen", "moved"));
  SSI_OK(unlink("moved"));
  pollfd wait{fd, POLLIN, 0};
  SSI_EQ(poll(&wait, 1, 1000), 1);
  guest::Compute(2);
  const long size = read(fd, events, sizeof events);
  const unsigned want[] = {IN_CREATE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE};
  int count = 0;
  for (long at = 0; at < size; ++count) {
    const auto* event = reinterpret_cast<const inotify_event*>(events + at);
    SSI_TRUE(count < 4);
    SSI_EQ(event->mask, want[count]);
    SSI_EQ(event->wd, watch);
    SSI_EQ(strcmp(event->name, count < 2 ? "seen" : "moved"), 0);
    at += static_cast<long>(sizeof *event) + event->len;
  }
  SSI_EQ(count, 4);
  SSI_OK(inotify_rm_watch(fd, watch));
  SSI_FAILS(inotify_rm_watch(fd, watch), EINVAL);
  SSI_OK(close(fd));
}

void Asynchronous() {
  aio_context_t context = 0;
  SSI_OK(syscall(SYS_io_setup, 8, &context));
  const int fd = MakeFile("aio", 4);
  iocb requests[2] = {};
  iocb* list[2] = {&requests[0], &requests[1]};
  for (int i = 0; i < 2; ++i) {
    requests[i].aio_data = static_cast<std::uint64_t>(100 + i);
    requests[i].aio_fildes = static_cast<std::uint32_t>(fd);
    requests[i].aio_lio_opcode = i == 0 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    requests[i].aio_buf =
        reinterpret_cast<std::uint64_t>(i == 0 ? back : bytes);
    requests[i].aio_nbytes = 10'000;
    requests[i].aio_offset = 20'000;
  }
  requests[1].aio_offset = 60'000;
  SSI_EQ(syscall(SYS_io_submit, context, 2, list), 2);
  guest::Compute(2);
  io_event events[4] = {};
  long done = 0;
  while (done < 2) {
    const long got =
        syscall(SYS_io_getevents, context, 1, 4 - done, events + done, nullptr);
    SSI_TRUE(got > 0 || errno == EINTR);
    done += got > 0 ? got : 0;
  }
  for (int i = 0; i < 2; ++i) {
    SSI_EQ(events[i].res, 10'000);
    SSI_TRUE(events[i].data == 100 || events[i].data == 101);
  }
  SSI_TRUE(guest::Holds(back, 10'000, 4, 20'000));
  SSI_EQ(pread(fd, back, 10'000, 60'000), 10'000);
  SSI_TRUE(guest::Holds(back, 10'000, 4));
  SSI_OK(syscall(SYS_io_destroy, context));
  SSI_FAILS(syscall(SYS_io_destroy, context), EINVAL);
  SSI_OK(close(fd));
  SSI_OK(unlink("aio"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"attributes", Attributes},
                                {"moving", Moving},
                                {"watching", Watching},
                                {"asynchronous", Asynchronous}});
}
