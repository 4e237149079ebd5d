// What lies between two nodes and goes wrong: a port that passes connections
// on to another one, and breaks them when it is told.
#ifndef SSI_TEST_CLUSTER_CHANNEL_PROXY_H_
#define SSI_TEST_CLUSTER_CHANNEL_PROXY_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <thread>

namespace ssi::test {

// Owner:   a test, which starts a node that advertises address().
// Threads: one of its own moves the bytes; all methods are for the test's.
// It knows of ssi only the first bytes of a connection, which say what it is
// for (src/proto/preamble.h): those for calls are the ones that it breaks.
class Proxy {
 public:
  Proxy();
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  Proxy(Proxy&&) = delete;
  Proxy& operator=(Proxy&&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  // HOST:PORT where connections go on to. What came before waits for it.
  void LeadTo(const std::string& address);

  // From now on connections for calls break, `cuts` times in all, each after a
  // number of bytes (both ways together) that `seed` gives: a few, which is
  // within its handshake, or some thousand.
  void CutAtRandom(unsigned cuts, std::uint64_t seed);
  [[nodiscard]] unsigned cuts_left() const { return cuts_left_; }
  // Passes nothing on any more, in silence, and then all of it again.
  void Pause(bool on) { paused_ = on; }

 private:
  struct Side {
    int fd = -1;
    std::string waiting;  // bytes for it
  };
  struct Connection {
    Side client;
    Side server;
    bool calls = false;
    std::uint64_t budget = 0;  // bytes until the cut, 0: none is planned
    std::string first;         // of the client, until it is known what for
    bool known = false;
    bool over = false;
  };

  void Run();
  void Accept();
  void Move(Connection& connection, Side& from, Side& to);
  void Learn(Connection& connection, const char* bytes, std::size_t size);
  std::size_t Allowed(Connection& connection, std::size_t size);
  void PlanCut(Connection& connection);
  static void Flush(Connection& connection, Side& side);
  static void Close(Connection& connection, bool reset);

  int listener_ = -1;
  std::string address_;
  std::mutex mutex_;
  int port_ = 0;                       // guarded by mutex_
  std::list<Connection> connections_;  // guarded by mutex_
  std::mt19937_64 random_;             // guarded by mutex_
  std::atomic<unsigned> cuts_left_{0};
  std::atomic<bool> paused_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_CHANNEL_PROXY_H_
