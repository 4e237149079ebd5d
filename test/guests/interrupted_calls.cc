// One call that waits, and that nothing ends but what is done to the process:
// prints what the call gave, and the milliseconds that it took.
//
// usage: interrupted_calls CALL SECONDS restart|eintr alone|threads|receiver
//        FOLDER
//
// CALL ends after so many seconds: by its own time limit, or by SIGALRM.
// SIGUSR1 has a handler, with SA_RESTART or without. The call is made when
// FOLDER/fifo has had a writer; FOLDER/begun is there from then on. With
// threads, another one sleeps and wakes; with a receiver, it waits on a socket
// from then on.
//
// `interrupted_calls --list` prints the names of all calls, a line each.
#include "interrupted_calls.h"

#include <linux/futex.h>
#include <poll.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include <atomic>
#include <functional>
#include <thread>

#include "guest.h"

namespace {

constexpr std::size_t kSetSize = 8;
timespec wait_limit{};

using Call = std::function<long()>;

std::uint32_t word = 0;

// ---- the calls: each makes ready, and gives what then waits ----

struct Row {
  const char* name;
  bool timed;  // has its own time limit
  Call (*ready)();
};

template <int kNumber, typename... Arguments>
Call Plain(Arguments... arguments) {
  return [=] {
    return syscall(kNumber, arguments...);
  };
}

Call EpollWait(int kind, bool timed) {
  int fd = SSI_OK(epoll_create1(0));
  return [=]() -> long {
    epoll_event event{};
    sigset_t set = Set(SIGUSR2);
    int millis = timed ? 1000 * wait_seconds : -1;
    if (kind == SYS_epoll_wait) {
      return syscall(SYS_epoll_wait, fd, &event, 1, millis);
    }
    if (kind == SYS_epoll_pwait) {
      return syscall(SYS_epoll_pwait, fd, &event, 1, millis, &set, kSetSize);
    }
    return syscall(SYS_epoll_pwait2, fd, &event, 1,
                   timed ? &wait_limit : nullptr, &set, kSetSize);
  };
}
Call Select(bool timed) {
  return [=]() -> long {
    timeval limit{wait_seconds, 0};
    return syscall(SYS_select, 0, nullptr, nullptr, nullptr,
                   timed ? &limit : nullptr);
  };
}
Call Pselect(bool timed) {
  return [=]() -> long {
    timespec limit = wait_limit;
    return syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr,
                   timed ? &limit : nullptr, nullptr);
  };
}
Call Ppoll(bool timed) {
  return [=]() -> long {
    timespec limit = wait_limit;
    sigset_t set = Set(SIGUSR2);
    return syscall(SYS_ppoll, nullptr, 0, timed ? &limit : nullptr, &set,
                   kSetSize);
  };
}
Call SigWait(const timespec* limit) {
  sigset_t set = Blocked(SIGUSR2);
  return [=] {
    return syscall(SYS_rt_sigtimedwait, &set, nullptr, limit, kSetSize);
  };
}
Call Futex(int operation, const timespec* limit) {
  return Plain<SYS_futex>(&word, operation, 0, limit, nullptr,
                          FUTEX_BITSET_MATCH_ANY);
}
Call Lock(int command) {
  MakeChild();
  int fd = LockFile();
  return [=]() -> long {
    struct flock all {};
    all.l_type = F_WRLCK;
    return fcntl(fd, command, &all);
  };
}
Call ReadOf(int fd) {
  return Plain<SYS_read>(fd, bytes, std::size_t{128});
}

const Row kRows[] = {
    {"read pipe", false,
     [] {
       return ReadOf(EmptyPipe().one);
     }},
    {"readv pipe", false,
     [] {
       int fd = EmptyPipe().one;
       return Call([fd]() -> long {
         iovec vector{bytes, 8};
         return readv(fd, &vector, 1);
       });
     }},
    {"write pipe", false,
     [] {
       return Plain<SYS_write>(FullPipe(), bytes, std::size_t{8});
     }},
    {"writev pipe", false,
     [] {
       int fd = FullPipe();
       return Call([fd]() -> long {
         iovec vector{bytes, 8};
         return writev(fd, &vector, 1);
       });
     }},
    {"read terminal", false,
     [] {
       int master;
       int slave;
       SSI_OK(openpty(&master, &slave, nullptr, nullptr, nullptr));
       return ReadOf(slave);
     }},
    {"read eventfd", false,
     [] {
       return ReadOf(eventfd(0, 0));
     }},
    {"read timerfd", false,
     [] {
       return ReadOf(timerfd_create(CLOCK_MONOTONIC, 0));
     }},
    {"read signalfd", false,
     [] {
       sigset_t set = Blocked(SIGUSR2);
       return ReadOf(SSI_OK(signalfd(-1, &set, 0)));
     }},
    {"read inotify", false,
     [] {
       return ReadOf(inotify_init1(0));
     }},
    {"open fifo", false,
     [] {
       std::string path = folder + "/waits";
       SSI_OK(mkfifo(path.c_str(), 0600));
       return Call([path]() -> long { return open(path.c_str(), O_RDONLY); });
     }},
    {"wait4", false,
     [] {
       MakeChild();
       return Plain<SYS_wait4>(child, nullptr, 0, nullptr);
     }},
    {"waitid", false,
     [] {
       MakeChild();
       return Plain<SYS_waitid>(P_PID, child, nullptr, WEXITED, nullptr);
     }},
    {"flock", false,
     [] {
       MakeChild();
       return Plain<SYS_flock>(LockFile(), LOCK_EX);
     }},
    {"F_SETLKW", false,
     [] {
       return Lock(F_SETLKW);
     }},
    {"F_OFD_SETLKW", false,
     [] {
       return Lock(F_OFD_SETLKW);
     }},
    {"recv", false,
     [] {
       int fd = Socket();
       return Call([fd]() -> long { return recv(fd, bytes, 8, 0); });
     }},
    {"recvmsg", false,
     [] {
       int fd = Socket();
       return Call([fd]() -> long {
         iovec vector{bytes, 8};
         msghdr message{};
         message.msg_iov = &vector;
         message.msg_iovlen = 1;
         return recvmsg(fd, &message, 0);
       });
     }},
    {"send", false,
     [] {
       int fd = Fill(Socket());
       return Call([fd]() -> long { return send(fd, bytes, 8, 0); });
     }},
    {"accept", false,
     [] {
       return Plain<SYS_accept>(Listener().fd, nullptr, nullptr);
     }},
    {"connect", false,
     [] {
       Listening listening = Listener();
       auto begin = [listening](int fd) {
         return connect(fd,
                        reinterpret_cast<const sockaddr*>(&listening.address),
                        sizeof listening.address);
       };
       int other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
       while (begin(other) == 0) {  // as many as wait to be accepted
         other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
       }
       int fd = socket(AF_UNIX, SOCK_STREAM, 0);
       return Call([=]() -> long { return begin(fd); });
     }},
    {"read timed socket", true,
     [] {
       return ReadOf(Socket(SO_RCVTIMEO));
     }},
    {"write timed socket", true,
     [] {
       return Plain<SYS_write>(Fill(Socket(SO_SNDTIMEO)), bytes,
                               std::size_t{8});
     }},
    {"recv timed", true,
     [] {
       int fd = Socket(SO_RCVTIMEO);
       return Call([fd]() -> long { return recv(fd, bytes, 8, 0); });
     }},
    {"pause", false,
     [] {
       return Plain<SYS_pause>();
     }},
    {"sigsuspend", false,
     [] {
       return Call([]() -> long {
         sigset_t set = Set(SIGUSR2);
         return syscall(SYS_rt_sigsuspend, &set, kSetSize);
       });
     }},
    {"sigwaitinfo", false,
     [] {
       return SigWait(nullptr);
     }},
    {"sigtimedwait", true,
     [] {
       return SigWait(&wait_limit);
     }},
    {"epoll_wait", false,
     [] {
       return EpollWait(SYS_epoll_wait, false);
     }},
    {"epoll_wait timed", true,
     [] {
       return EpollWait(SYS_epoll_wait, true);
     }},
    {"epoll_pwait timed", true,
     [] {
       return EpollWait(SYS_epoll_pwait, true);
     }},
    {"epoll_pwait2 timed", true,
     [] {
       return EpollWait(SYS_epoll_pwait2, true);
     }},
    {"poll", false,
     [] {
       return Plain<SYS_poll>(nullptr, 0, -1);
     }},
    {"poll timed", true,
     [] {
       return Plain<SYS_poll>(nullptr, 0, 1000 * wait_seconds);
     }},
    {"ppoll", false,
     [] {
       return Ppoll(false);
     }},
    {"ppoll timed", true,
     [] {
       return Ppoll(true);
     }},
    {"select", false,
     [] {
       return Select(false);
     }},
    {"select timed", true,
     [] {
       return Select(true);
     }},
    {"pselect", false,
     [] {
       return Pselect(false);
     }},
    {"pselect timed", true,
     [] {
       return Pselect(true);
     }},
    {"nanosleep", true,
     [] {
       return Plain<SYS_nanosleep>(&wait_limit, nullptr);
     }},
    {"clock_nanosleep", true,
     [] {
       return Plain<SYS_clock_nanosleep>(CLOCK_BOOTTIME, 0, &wait_limit,
                                         nullptr);
     }},
    {"clock_nanosleep until", true,
     [] {
       return Call([]() -> long {
         timespec until = AtTheEnd(CLOCK_MONOTONIC);
         return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME,
                        &until, nullptr);
       });
     }},
    {"futex", false,
     [] {
       return Futex(FUTEX_WAIT, nullptr);
     }},
    {"futex timed", true,
     [] {
       return Futex(FUTEX_WAIT, &wait_limit);
     }},
    {"futex until", true,
     [] {
       return Call([]() -> long {
         timespec until = AtTheEnd(CLOCK_MONOTONIC);
         return Futex(FUTEX_WAIT_BITSET, &until)();
       });
     }},
    {"semop", false,
     [] {
       int id = Semaphore();
       return Call([id]() -> long {
         sembuf down{0, -1, 0};
         return semop(id, &down, 1);
       });
     }},
    {"semtimedop", true,
     [] {
       int id = Semaphore();
       return Call([id]() -> long {
         sembuf down{0, -1, 0};
         return semtimedop(id, &down, 1, &wait_limit);
       });
     }},
    {"msgrcv", false,
     [] {
       int id = Messages(false);
       return Call([id]() -> long {
         Message message;
         return msgrcv(id, &message, sizeof message.text, 0, 0);
       });
     }},
    {"msgsnd", false,
     [] {
       int id = Messages(true);
       return Call([id]() -> long {
         Message message;
         return msgsnd(id, &message, sizeof message.text, 0);
       });
     }},
    {"mq_receive", false,
     [] {
       int queue = Queue(0);
       return Call([queue]() -> long {
         return mq_receive(queue, bytes, sizeof bytes, nullptr);
       });
     }},
    {"mq_timedreceive", true,
     [] {
       int queue = Queue(0);
       return Call([queue]() -> long {
         timespec until = AtTheEnd(CLOCK_REALTIME);
         return mq_timedreceive(queue, bytes, sizeof bytes, nullptr, &until);
       });
     }},
    {"mq_send", false,
     [] {
       int queue = Queue(1);
       return Call([queue]() -> long { return mq_send(queue, "x", 1, 0); });
     }},
    {"io_getevents", false,
     [] {
       aio_context_t ring = Ring();
       return Call([ring]() -> long {
         io_event event{};
         return syscall(SYS_io_getevents, ring, 1, 1, &event, nullptr);
       });
     }},
};

void Nothing(int) {}

void Handle(int signal, int flags) {
  struct sigaction action {};
  action.sa_handler = Nothing;
  action.sa_flags = flags;
  SSI_OK(sigaction(signal, &action, nullptr));
}

std::atomic<bool> begun{false};

// The other thread. A socket is for home alone.
void Other(int socket) {
  while (socket < 0 || !begun) {
    usleep(20'000);
  }
  char byte;
  (void)recv(socket, &byte, 1, 0);
}

void Run(const Row& row) {
  Call call = row.ready();
  SSI_OK(open((folder + "/fifo").c_str(), O_RDONLY));
  SSI_OK(open((folder + "/begun").c_str(), O_WRONLY | O_CREAT, 0600));
  timespec begin{};
  timespec end{};
  SSI_OK(clock_gettime(CLOCK_MONOTONIC, &begin));
  if (!row.timed) {
    itimerval limit{{0, 0}, {wait_seconds, 0}};
    SSI_OK(setitimer(ITIMER_REAL, &limit, nullptr));
  }
  begun = true;
  long result = call();
  int error = result < 0 ? errno : 0;
  SSI_OK(clock_gettime(CLOCK_MONOTONIC, &end));
  long took = (end.tv_sec - begin.tv_sec) * 1000 +
              (end.tv_nsec - begin.tv_nsec) / 1'000'000;
  printf("%ld %s %ld\n", result, strerrorname_np(error), took);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) {
    for (const Row& row : kRows) {
      printf("%s\n", row.name);
    }
    return 0;
  }
  SSI_TRUE(argc == 6);
  wait_seconds = atoi(argv[2]);
  wait_limit.tv_sec = wait_seconds;
  folder = argv[5];
  Handle(SIGUSR1, argv[3] == std::string("restart") ? SA_RESTART : 0);
  Handle(SIGALRM, 0);
  if (argv[4] != std::string("alone")) {
    bool receives = argv[4] == std::string("receiver");
    std::thread(Other, receives ? Socket() : -1).detach();
  }
  for (const Row& row : kRows) {
    if (row.name == std::string(argv[1])) {
      Run(row);
    }
  }
  if (child > 0) {
    kill(child, SIGKILL);
  }
  if (messages >= 0) {
    msgctl(messages, IPC_RMID, nullptr);
  }
  if (semaphore >= 0) {
    semctl(semaphore, 0, IPC_RMID);
  }
  return 0;
}
