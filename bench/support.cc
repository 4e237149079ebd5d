#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench.h"
#include "proto/socket.h"

namespace ssi::bench {

void Die(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    Die("sched_setaffinity");
  }
}

Process::Process(int cpu, const std::function<void()>& body) : pid_(::fork()) {
  if (pid_ < 0) {
    Die("fork");
  }
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    PinTo(cpu);
    body();
    ::_exit(0);
  }
}

Process::~Process() {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void* SharedMemory(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    Die("mmap");
  }
  return at;
}

std::pair<UniqueFd, UniqueFd> TcpPair() {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* as_any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listener.get(), as_any, size) != 0 ||
      ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), as_any, &size) != 0) {
    Die("listen");
  }
  UniqueFd first(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(first.get(), as_any, size) != 0) {
    Die("connect");
  }
  UniqueFd second(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  for (const auto* end : {&first, &second}) {
    if (!proto::PrepareSocket(end->get()) ||
        !SetNonBlocking(end->get(), false)) {
      Die("socket options");
    }
  }
  return {std::move(first), std::move(second)};
}

double TimeRounds(int rounds, const std::function<void()>& once) {
  std::vector<double> times;
  const int warm_up = rounds / 10;
  for (int i = -warm_up; i < rounds; ++i) {
    double start = Now();
    once();
    if (i >= 0) {
      times.push_back((Now() - start) * 1e6);
    }
  }
  return Median(std::move(times));
}

namespace {

double SpawnOnce(const std::vector<char*>& command) {
  std::vector<char*> words = command;
  words.push_back(nullptr);
  double start = Now();
  pid_t pid = 0;
  int err =
      ::posix_spawnp(&pid, words[0], nullptr, nullptr, words.data(), environ);
  int status = 0;
  if (err != 0 || ::waitpid(pid, &status, 0) != pid) {
    errno = err;
    Die(words[0]);
  }
  double took = Now() - start;
  if (status != 0) {
    std::fprintf(stderr, "%s: status %d\n", words[0], status);
    std::_Exit(1);
  }
  return took * 1e3;
}

}  // namespace

std::vector<double> Spawn(const std::vector<std::vector<char*>>& commands,
                          int rounds) {
  std::vector<std::vector<double>> times(commands.size());
  for (int round = -1; round < rounds; ++round) {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      double took = SpawnOnce(commands[i]);
      if (round >= 0) {
        times[i].push_back(took);
      }
    }
  }
  std::vector<double> medians;
  for (auto& of_one : times) {
    medians.push_back(Median(std::move(of_one)));
  }
  return medians;
}

}  // namespace ssi::bench
