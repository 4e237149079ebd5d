// The steps of a forwarded call: round trip, notification, agent; and the
// filter alone.
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include <openssl/ssl.h>

#include "base/check.h"
#include "bench.h"
#include "supervisor/filter.h"

namespace ssi::bench {

namespace {

constexpr std::size_t kMost = 4096;

void GetAll(int fd, std::size_t size) {
  std::array<std::byte, kMost> buffer;
  while (size > 0) {
    ssize_t n = ::recv(fd, buffer.data(), size, 0);
    if (n <= 0) {
      ::_exit(0);
    }
    size -= static_cast<std::size_t>(n);
  }
}

void PutAll(int fd, std::size_t size) {
  static const std::array<std::byte, kMost> buffer{};
  SSI_CHECK(::send(fd, buffer.data(), size, MSG_NOSIGNAL) ==
            static_cast<ssize_t>(size));
}

// ---- TLS with the settings of a channel, on a blocking socket ---------------

SSL_SESSION* MakePsk(SSL* ssl) {
  const unsigned char cipher[] = {0x13, 0x01};  // TLS_AES_128_GCM_SHA256
  const unsigned char key[32] = {1};
  SSL_SESSION* session = SSL_SESSION_new();
  SSL_SESSION_set1_master_key(session, key, sizeof key);
  SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, cipher));
  SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
  return session;
}

class Tls {
 public:
  Tls(int fd, bool accepts) : context_(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(context_, 0);
    SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_psk_use_session_callback(
        context_, [](SSL* self, const EVP_MD*, const unsigned char** id,
                     std::size_t* size, SSL_SESSION** session) {
          *id = reinterpret_cast<const unsigned char*>("bare");
          *size = 4;
          *session = MakePsk(self);
          return 1;
        });
    SSL_CTX_set_psk_find_session_callback(
        context_, [](SSL* self, const unsigned char*, std::size_t,
                     SSL_SESSION** session) {
          *session = MakePsk(self);
          return 1;
        });
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd);
    SSL_set_read_ahead(ssl_, 1);
    SSI_CHECK((accepts ? SSL_accept(ssl_) : SSL_connect(ssl_)) == 1);
  }
  ~Tls() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  Tls(Tls&&) = delete;
  Tls& operator=(Tls&&) = delete;
  void Get(std::size_t size) {
    while (size > 0) {
      int n = SSL_read(ssl_, buffer_.data(), static_cast<int>(size));
      if (n <= 0) {
        ::_exit(0);
      }
      size -= static_cast<std::size_t>(n);
    }
  }
  void Put(std::size_t size) {
    SSI_CHECK(SSL_write(ssl_, buffer_.data(), static_cast<int>(size)) > 0);
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  std::array<std::byte, kMost> buffer_{};
};

void Futex(std::atomic<std::uint32_t>& word, int operation,
           std::uint32_t value) {
  ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

// What an agent executes: the call that the guest makes.
void MakeCall(const std::string& name, int fd) {
  static std::array<char, 64> buffer{};
  struct stat info {};
  bool good = true;
  if (name == "fstat") {
    good = ::fstat(fd, &info) == 0;
  } else if (name == "pread64") {
    good = ::pread(fd, buffer.data(), buffer.size(), 0) > 0;
  } else if (name == "write64") {
    good = ::pwrite(fd, buffer.data(), buffer.size(), 0) > 0;
  } else {
    ::syscall(SYS_getppid);
  }
  SSI_CHECK(good, "{}", name);
}

UniqueFd SomeFile() {
  auto fd = MakeMemFd("ssi-bench");
  SSI_CHECK(fd.has_value());
  std::array<char, 64> bytes{};
  SSI_CHECK(::write(fd->get(), bytes.data(), bytes.size()) == 64);
  return *std::move(fd);
}

int InstallFilter(const supervisor::FilterProgram& program, unsigned flags) {
  SSI_CHECK(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  sock_fprog code{static_cast<unsigned short>(program.size()),
                  const_cast<sock_filter*>(program.data())};
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &code));
}

supervisor::FilterProgram OurFilter() {
  auto filter = supervisor::BuildFilter(RemoteAddr{0x7000'0000'0000});
  SSI_CHECK(filter.has_value());
  return *std::move(filter);
}

}  // namespace

double TcpPingPong(const Cpus& cpus, const Frames& frames, int rounds) {
  auto ends = TcpPair();
  Process home(cpus.home, [&] {
    ends.first.Reset();
    for (;;) {
      GetAll(ends.second.get(), frames.request);
      PutAll(ends.second.get(), frames.reply);
    }
  });
  PinTo(cpus.away);
  return TimeRounds(rounds, [&] {
    PutAll(ends.first.get(), frames.request);
    GetAll(ends.first.get(), frames.reply);
  });
}

double TlsPingPong(const Cpus& cpus, const Frames& frames, int rounds) {
  auto ends = TcpPair();
  Process home(cpus.home, [&] {
    ends.first.Reset();
    Tls tls(ends.second.get(), true);
    for (;;) {
      tls.Get(frames.request);
      tls.Put(frames.reply);
    }
  });
  PinTo(cpus.away);
  Tls tls(ends.first.get(), false);
  return TimeRounds(rounds, [&] {
    tls.Put(frames.request);
    tls.Get(frames.reply);
  });
}

// A process under our filter makes getppid; we answer and put a result into
// its memory, both on one CPU as a guest and its supervisor are.
double Notification(const Cpus& cpus, std::size_t result_bytes, int rounds) {
  struct Shared {
    std::atomic<int> listener;
    std::atomic<double> median;
    std::array<std::byte, 256> result;
  };
  auto* shared = static_cast<Shared*>(SharedMemory(sizeof(Shared)));
  shared->listener = -1;
  PinTo(cpus.away);
  int total = rounds + rounds / 10;
  Process guest(cpus.away, [&] {
    auto filter = OurFilter();
    int listener = InstallFilter(filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    shared->listener = listener;
    if (listener >= 0) {
      shared->median = TimeRounds(rounds, [] { ::syscall(SYS_getppid); });
    }
    for (;;) {  // its end would be a call of another class
      ::sched_yield();
    }
  });
  while (shared->listener == -1) {
    ::sched_yield();
  }
  auto pid_fd = PidFdOpen(guest.pid());
  SSI_CHECK(pid_fd.has_value() && shared->listener >= 0);
  auto listener = PidFdGetFd(pid_fd->get(), shared->listener);
  SSI_CHECK(listener.has_value());
  std::array<std::byte, 256> result{};
  for (int i = 0; i < total; ++i) {
    seccomp_notif call{};
    while (::ioctl(listener->get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
      SSI_CHECK(errno == EINTR);
    }
    iovec mine{result.data(), result_bytes};
    iovec theirs{shared->result.data(), result_bytes};
    SSI_CHECK(result_bytes == 0 ||
              ::process_vm_writev(guest.pid(), &mine, 1, &theirs, 1, 0) > 0);
    seccomp_notif_resp answer{};
    answer.id = call.id;
    answer.val = 1;
    SSI_CHECK(::ioctl(listener->get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
  }
  while (shared->median == 0) {
    ::sched_yield();
  }
  double median = shared->median;
  ::munmap(shared, sizeof(Shared));
  return median;
}

double AgentCall(const Cpus& cpus, const std::string& call, int rounds) {
  struct Window {
    std::atomic<std::uint32_t> posted;
    std::atomic<std::uint32_t> done;
  };
  auto* window = static_cast<Window*>(SharedMemory(sizeof(Window)));
  UniqueFd file = SomeFile();
  PinTo(cpus.home);
  Process agent(cpus.home, [&] {
    for (std::uint32_t job = 0;;) {
      while (window->posted == job) {
        Futex(window->posted, FUTEX_WAIT, job);
      }
      ++job;
      MakeCall(call, file.get());
      window->done = job;
      Futex(window->done, FUTEX_WAKE, 1);
    }
  });
  std::uint32_t job = 0;
  double median = TimeRounds(rounds, [&] {
    window->posted = ++job;
    Futex(window->posted, FUTEX_WAKE, 1);
    while (window->done != job) {
      Futex(window->done, FUTEX_WAIT, job - 1);
    }
  });
  ::munmap(window, sizeof(Window));
  return median;
}

double FilteredCall(const Cpus& cpus, bool filtered, int rounds) {
  auto* median = static_cast<std::atomic<double>*>(
      SharedMemory(sizeof(std::atomic<double>)));
  *median = 0;
  constexpr int kInRow = 8;
  Process guest(cpus.away, [&] {
    if (filtered) {
      auto filter = OurFilter();
      SSI_CHECK(InstallFilter(filter, 0) == 0);
    }
    double found = TimeRounds(rounds * 20, [] {
      for (int i = 0; i < kInRow; ++i) {
        ::syscall(SYS_gettid);
      }
    });
    *median = found / kInRow;
    for (;;) {
      ::sched_yield();
    }
  });
  PinTo(cpus.home);
  while (*median == 0) {
    ::usleep(1000);
  }
  double found = *median;
  ::munmap(median, sizeof *median);
  return found;
}

}  // namespace ssi::bench
