// A terminal that the guest opens itself: both ends of a pty, attributes,
// size, line editing, raw data, packets, the end. Argument: SECONDS.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <string>

#include "guest.h"

namespace {

int master = -1;
int slave = -1;

void Open() {
  master = SSI_OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  int number = -1;
  int locked = -1;
  SSI_OK(ioctl(master, TIOCGPTN, &number));
  SSI_OK(ioctl(master, TIOCGPTLCK, &locked));
  SSI_EQ(locked, 1);
  const std::string name = "/dev/pts/" + std::to_string(number);
  SSI_FAILS(open(name.c_str(), O_RDWR | O_NOCTTY), EIO);
  locked = 0;
  SSI_OK(ioctl(master, TIOCSPTLCK, &locked));
  slave = SSI_OK(open(name.c_str(), O_RDWR | O_NOCTTY));
  const int peer = SSI_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  const std::string self = "/proc/self/fd/" + std::to_string(peer);
  char link[64] = {};
  SSI_OK(readlink(self.c_str(), link, sizeof link - 1));
  SSI_TRUE(name == link);
  SSI_OK(close(peer));
  SSI_TRUE(isatty(slave) == 1 && isatty(master) == 1);
  unsigned device = 0;
  SSI_OK(ioctl(slave, TIOCGDEV, &device));
  SSI_EQ(device & 0xff, number & 0xff);
}

void Close() {
  SSI_OK(close(slave));
  SSI_OK(close(master));
}

// Data passes through a kernel worker: wait until `size` bytes can be read.
void Await(int fd, int size) {
  int queued = 0;
  for (int step = 0; queued < size && step < 500; ++step) {
    pollfd wait{fd, POLLIN, 0};
    poll(&wait, 1, 10);
    SSI_OK(ioctl(fd, FIONREAD, &queued));
  }
  SSI_EQ(queued, size);
}

void Put(int fd, const std::string& text) {
  SSI_EQ(write(fd, text.data(), text.size()), text.size());
}

void Expect(int fd, const std::string& want) {
  Await(fd, static_cast<int>(want.size()));
  std::string got(want.size() + 1, '#');
  SSI_EQ(read(fd, got.data(), got.size()), want.size());
  got.resize(want.size());
  SSI_TRUE(got == want);
}

void SetRaw(int fd) {
  termios raw{};
  SSI_OK(tcgetattr(fd, &raw));
  cfmakeraw(&raw);
  SSI_OK(tcsetattr(fd, TCSANOW, &raw));
}

void Attributes() {
  Open();
  termios set{};
  SSI_OK(ioctl(slave, TCGETS, &set));
  SSI_TRUE((set.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
  SSI_EQ(set.c_cc[VINTR], 3);
  set.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
  set.c_iflag |= IXANY;
  set.c_cc[VINTR] = 7;
  set.c_cc[VMIN] = 5;
  SSI_OK(tcsetattr(slave, TCSADRAIN, &set));
  guest::Compute(1);
  termios got{};
  SSI_OK(tcgetattr(master, &got));
  SSI_EQ(got.c_lflag, set.c_lflag);
  SSI_EQ(got.c_iflag, set.c_iflag);
  SSI_EQ(memcmp(got.c_cc, set.c_cc, 19), 0);  // the kernel's number of them
  SSI_OK(tcsetattr(slave, TCSAFLUSH, &got));
  SSI_OK(cfsetspeed(&got, B9600));
  SSI_OK(tcsetattr(slave, TCSANOW, &got));
  SSI_OK(tcgetattr(slave, &got));
  SSI_EQ(cfgetospeed(&got), B9600);
  int discipline = -1;
  SSI_OK(ioctl(slave, TIOCGETD, &discipline));
  SSI_EQ(discipline, 0);
  Close();
}

void Size() {
  Open();
  winsize size{};
  SSI_OK(ioctl(slave, TIOCGWINSZ, &size));
  SSI_TRUE(size.ws_row == 0 && size.ws_col == 0);
  const winsize wide{33, 111, 44, 222};
  SSI_OK(ioctl(master, TIOCSWINSZ, &wide));
  guest::Compute(1);
  SSI_OK(ioctl(slave, TIOCGWINSZ, &size));
  SSI_EQ(memcmp(&size, &wide, sizeof size), 0);
  Close();
}

void LineEditing() {
  Open();
  Put(master, "abd\177c\n");  // DEL takes the d away
  Expect(slave, "abc\n");
  Expect(master, "abd\b \bc\r\n");  // the echo
  Put(slave, "two\nlines\n");
  Expect(master, "two\r\nlines\r\n");
  Put(master, "half");
  Expect(master, "half");
  pollfd wait{slave, POLLIN, 0};
  SSI_EQ(poll(&wait, 1, 0), 0);  // no line yet
  Put(master, "\004");           // ^D gives what is there
  char text[16] = {};
  SSI_EQ(read(slave, text, sizeof text), 4);
  SSI_EQ(strcmp(text, "half"), 0);
  Put(master, "\004");  // and, with nothing there, the end
  SSI_EQ(read(slave, text, sizeof text), 0);
  Put(master, "one\ntwo\n");
  Await(slave, 8);
  SSI_EQ(read(slave, text, sizeof text), 4);  // a line a read
  SSI_EQ(read(slave, text, 2), 2);
  SSI_EQ(read(slave, text, sizeof text), 2);
  Close();
}

void RawData() {
  Open();
  SetRaw(slave);
  static unsigned char bytes[3000];
  static unsigned char back[3000];
  guest::Fill(bytes, sizeof bytes, 4);
  for (const auto& [from, to] :
       {std::pair(master, slave), std::pair(slave, master)}) {
    SSI_EQ(write(from, bytes, sizeof bytes), sizeof bytes);
    std::size_t at = 0;
    while (at < sizeof back) {
      at += static_cast<std::size_t>(
          SSI_OK(read(to, back + at, sizeof back - at)));
    }
    SSI_TRUE(guest::Holds(back, sizeof back, 4));
  }
  SSI_OK(fcntl(slave, F_SETFL, O_NONBLOCK));
  SSI_FAILS(read(slave, back, 1), EAGAIN);
  Put(master, "thrown away");
  Await(slave, 11);
  SSI_OK(tcflush(slave, TCIFLUSH));
  SSI_FAILS(read(slave, back, 1), EAGAIN);
  int queued = -1;
  SSI_OK(ioctl(slave, TIOCOUTQ, &queued));
  SSI_EQ(queued, 0);
  // VMIN and VTIME: what a read waits for.
  termios raw{};
  SSI_OK(fcntl(slave, F_SETFL, 0));
  SSI_OK(tcgetattr(slave, &raw));
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 1;  // tenths of a second
  SSI_OK(tcsetattr(slave, TCSANOW, &raw));
  SSI_EQ(read(slave, back, 1), 0);
  Close();
}

void Packets() {
  Open();
  SetRaw(slave);
  int on = 1;
  SSI_OK(ioctl(master, TIOCPKT, &on));
  on = 0;
  SSI_OK(ioctl(master, TIOCGPKT, &on));
  SSI_EQ(on, 1);
  char text[16] = {};
  Put(slave, "data");
  SSI_EQ(read(master, text, sizeof text), 5);
  SSI_EQ(memcmp(text, "\0data", 5), 0);
  SSI_OK(tcflush(slave, TCOFLUSH));
  SSI_EQ(read(master, text, sizeof text), 1);
  SSI_EQ(text[0] & TIOCPKT_FLUSHWRITE, TIOCPKT_FLUSHWRITE);
  Close();
}

void TheEnd() {
  Open();
  SetRaw(slave);
  Put(slave, "last words");
  Await(master, 10);
  SSI_OK(close(slave));
  Expect(master, "last words");
  char text[16];
  SSI_FAILS(read(master, text, 1), EIO);
  slave = SSI_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  SSI_OK(close(master));
  SSI_EQ(read(slave, text, 1), 0);
  SSI_FAILS(write(slave, "x", 1), EIO);
  pollfd wait{slave, POLLIN, 0};
  SSI_EQ(poll(&wait, 1, 0), 1);
  SSI_EQ(wait.revents & POLLHUP, POLLHUP);
  SSI_OK(close(slave));
}

void Errors() {
  Open();
  int value = 0;
  SSI_FAILS(ioctl(slave, TIOCGPGRP, &value), ENOTTY);  // not the one it has
  SSI_FAILS(ioctl(slave, TIOCGSID, &value), ENOTTY);
  SSI_FAILS(ioctl(slave, TIOCGPTN, &value), ENOTTY);  // the master's only
  SSI_FAILS(lseek(slave, 0, SEEK_SET), ESPIPE);
  SSI_OK(ioctl(slave, TIOCEXCL));
  SSI_OK(ioctl(slave, TIOCGEXCL, &value));
  SSI_EQ(value, 1);
  SSI_OK(ioctl(slave, TIOCNXCL));
  int ends[2];
  SSI_OK(pipe(ends));
  termios attributes{};
  SSI_FAILS(tcgetattr(ends[0], &attributes), ENOTTY);
  SSI_OK(close(ends[0]));
  SSI_OK(close(ends[1]));
  Close();
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"attributes", Attributes},
                                                 {"size", Size},
                                                 {"line editing", LineEditing},
                                                 {"raw data", RawData},
                                                 {"packets", Packets},
                                                 {"the end", TheEnd},
                                                 {"errors", Errors}});
}
