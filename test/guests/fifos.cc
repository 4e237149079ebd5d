// A pipe with a name: opening both ends, data, ends, the name gone.
// Argument: SECONDS.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "guest.h"

namespace {

void Opening() {
  SSI_OK(mkfifo("fifo", 0600));
  SSI_FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  const int reader = SSI_OK(open("fifo", O_RDONLY | O_NONBLOCK));
  char byte = 0;
  SSI_EQ(read(reader, &byte, 1), 0);  // no writer yet: the end
  const int writer = SSI_OK(open("fifo", O_WRONLY));
  SSI_FAILS(read(reader, &byte, 1), EAGAIN);
  SSI_EQ(write(writer, "a", 1), 1);
  SSI_EQ(read(reader, &byte, 1), 1);
  SSI_EQ(byte, 'a');
  const int second = SSI_OK(open("fifo", O_WRONLY | O_APPEND));
  SSI_OK(close(writer));
  SSI_FAILS(read(reader, &byte, 1), EAGAIN);
  SSI_EQ(write(second, "b", 1), 1);
  SSI_OK(close(second));
  SSI_EQ(read(reader, &byte, 1), 1);
  SSI_EQ(read(reader, &byte, 1), 0);
  SSI_FAILS(lseek(reader, 0, SEEK_SET), ESPIPE);
  SSI_OK(close(reader));
  SSI_OK(unlink("fifo"));
}

void Data() {
  SSI_OK(mkfifo("fifo", 0600));
  const int both = SSI_OK(open("fifo", O_RDWR));  // Linux: never blocks
  SSI_OK(unlink("fifo"));
  static unsigned char bytes[30000];
  guest::Fill(bytes, sizeof bytes, 3);
  SSI_EQ(write(both, bytes, sizeof bytes), sizeof bytes);
  int queued = 0;
  SSI_OK(ioctl(both, FIONREAD, &queued));
  SSI_EQ(queued, sizeof bytes);
  guest::Compute(2);
  memset(bytes, 0, sizeof bytes);
  SSI_EQ(read(both, bytes, 12345), 12345);
  SSI_EQ(read(both, bytes + 12345, sizeof bytes - 12345), 30000 - 12345);
  SSI_TRUE(guest::Holds(bytes, sizeof bytes, 3));
  pollfd wait{both, POLLIN | POLLOUT, 0};
  SSI_EQ(poll(&wait, 1, 0), 1);
  SSI_EQ(wait.revents, POLLOUT);
  SSI_OK(close(both));
}

void Broken() {
  signal(SIGPIPE, SIG_IGN);
  SSI_OK(mkfifo("fifo", 0600));
  const int reader = SSI_OK(open("fifo", O_RDONLY | O_NONBLOCK));
  const int writer = SSI_OK(open("fifo", O_WRONLY | O_NONBLOCK));
  SSI_OK(close(reader));
  SSI_FAILS(write(writer, "x", 1), EPIPE);
  const int again = SSI_OK(open("fifo", O_RDONLY | O_NONBLOCK));
  SSI_EQ(write(writer, "x", 1), 1);  // a new reader mends it
  SSI_OK(close(again));
  SSI_OK(close(writer));
  SSI_OK(unlink("fifo"));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(
      guest::Seconds(argc, argv),
      {{"opening", Opening}, {"data", Data}, {"broken", Broken}});
}
