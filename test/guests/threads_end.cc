// How a process with threads ends. Arguments: STATUS, SECONDS, and how:
//   group    a thread calls exit_group while others compute and wait
//   making   the same, while two threads make others all the time
//   leader   the first thread ends by itself, and the last one calls exit
//   last     all threads end, each by itself, the first one with STATUS; which
//            of their statuses counts is the kernel's affair
//   signal   a signal STATUS that a thread sends to itself ends all
//   fault    a thread reads what is not mapped
//   exec     a thread executes a shell that ends with STATUS
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "guest.h"

namespace {

std::atomic<bool> wait_on = true;

void ComputeOn() {
  while (wait_on) {
    guest::Compute(5);
  }
}

void WaitOn() {
  int fds[2];
  SSI_OK(pipe(fds));
  char byte = 0;
  SSI_EQ(read(fds[0], &byte, 1), 1);
}

[[noreturn]] void End(const std::string& how, int status) {
  puts("PASS");
  if (how == "group" || how == "making") {
    syscall(SYS_exit_group, status);
  } else if (how == "signal") {
    pthread_kill(pthread_self(), status);
  } else if (how == "fault") {
    *reinterpret_cast<volatile int*>(8) = status;
  } else if (how == "exec") {
    const std::string script =
        "echo in another program; exit " + std::to_string(status);
    execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
  } else {
    exit(status);
  }
  guest::Fail(__FILE__, __LINE__, "it goes on", 0, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const int status = argc > 1 ? atoi(argv[1]) : 0;
  const int milliseconds =
      static_cast<int>(guest::Seconds(argc, argv, 2) * 1000);
  const std::string how = argc > 3 ? argv[3] : "group";
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (how == "last") {
    std::thread([milliseconds] {
      guest::Compute(milliseconds);
      puts("PASS");
      syscall(SYS_exit, 99);
    }).detach();
    syscall(SYS_exit, status);
  }
  if (how == "making") {
    for (int i = 0; i < 2; ++i) {
      std::thread([] {
        for (;;) {
          std::thread([] {}).join();
        }
      }).detach();
    }
  }
  if (how == "leader") {
    std::thread([=] {
      guest::Compute(milliseconds);
      SSI_TRUE(gettid() != getpid());
      End(how, status);
    }).detach();
    pthread_exit(nullptr);
  }
  std::thread(ComputeOn).detach();
  std::thread(WaitOn).detach();
  std::thread(WaitOn).detach();
  std::thread thread([=] {
    guest::Compute(milliseconds);
    End(how, status);
  });
  thread.join();
}
