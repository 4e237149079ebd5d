// What the calls of interrupted_calls.cc wait for: pipes, sockets, locks and
// queues where nothing happens.
#ifndef SSI_TEST_GUESTS_INTERRUPTED_CALLS_H_
#define SSI_TEST_GUESTS_INTERRUPTED_CALLS_H_

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <string>

#include "guest.h"

namespace {

int wait_seconds = 0;  // of a call that nothing interrupts

std::string folder;
char bytes[1 << 16];

sigset_t Set(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}
sigset_t Blocked(int signal) {
  sigset_t set = Set(signal);
  SSI_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  return set;
}

timespec AtTheEnd(clockid_t clock) {
  timespec now{};
  SSI_OK(clock_gettime(clock, &now));
  now.tv_sec += wait_seconds;
  return now;
}
struct Pair {
  int one;
  int other;
};
Pair EmptyPipe() {
  int ends[2];
  SSI_OK(pipe(ends));
  return {ends[0], ends[1]};
}
int Fill(int fd) {
  SSI_OK(fcntl(fd, F_SETFL, O_NONBLOCK));
  while (write(fd, bytes, sizeof bytes) > 0) {
  }
  while (write(fd, bytes, 1) > 0) {
  }
  SSI_OK(fcntl(fd, F_SETFL, 0));
  return fd;
}
int FullPipe() {
  return Fill(EmptyPipe().other);
}
int Socket(int timed_option = 0) {
  int pair[2];
  timeval time{wait_seconds, 0};
  SSI_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  if (timed_option != 0) {
    SSI_OK(setsockopt(pair[0], SOL_SOCKET, timed_option, &time, sizeof time));
  }
  return pair[0];
}
struct Listening {
  int fd;
  sockaddr_un address;
};
Listening Listener() {
  Listening listening{socket(AF_UNIX, SOCK_STREAM, 0), {}};
  listening.address.sun_family = AF_UNIX;
  snprintf(listening.address.sun_path, sizeof listening.address.sun_path,
           "%s/s", folder.c_str());
  SSI_OK(bind(listening.fd,
              reinterpret_cast<const sockaddr*>(&listening.address),
              sizeof listening.address));
  SSI_OK(listen(listening.fd, 0));
  return listening;
}
int LockFile() {
  return SSI_OK(open((folder + "/lock").c_str(), O_RDWR | O_CREAT, 0600));
}
// Has all locks, and never ends by itself.
pid_t child = 0;
void MakeChild() {
  Pair ready = EmptyPipe();
  child = SSI_OK(fork());
  if (child == 0) {
    int fd = LockFile();
    struct flock all {};
    all.l_type = F_WRLCK;
    SSI_OK(flock(fd, LOCK_EX));
    SSI_OK(fcntl(fd, F_SETLK, &all));
    SSI_EQ(write(ready.other, "r", 1), 1);
    while (true) {
      pause();
    }
  }
  SSI_EQ(read(ready.one, bytes, 1), 1);
}
int Queue(long count) {
  mq_attr attr{};
  attr.mq_maxmsg = 1;
  attr.mq_msgsize = 8;
  std::string name = "/ssi-calls-" + std::to_string(getpid());
  int queue =
      SSI_OK(mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
  SSI_OK(mq_unlink(name.c_str()));
  for (long i = 0; i < count; ++i) {
    SSI_OK(mq_send(queue, "message", 8, 0));
  }
  return queue;
}
struct Message {
  long type = 1;
  char text[1024]{};
};
// Removed at the end, because they outlive the process.
int messages = -1;
int semaphore = -1;
int Messages(bool full) {
  messages = SSI_OK(msgget(IPC_PRIVATE, 0600));
  Message message;
  while (full &&
         msgsnd(messages, &message, sizeof message.text, IPC_NOWAIT) == 0) {
  }
  return messages;
}
int Semaphore() {
  return semaphore = SSI_OK(semget(IPC_PRIVATE, 1, 0600));
}
aio_context_t Ring() {
  aio_context_t ring = 0;
  SSI_OK(syscall(SYS_io_setup, 1, &ring));
  return ring;
}
}  // namespace

#endif  // SSI_TEST_GUESTS_INTERRUPTED_CALLS_H_
