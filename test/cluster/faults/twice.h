// Whether a program was ever computing at two places: seen in /proc, from
// outside.
#ifndef SSI_TEST_CLUSTER_FAULTS_TWICE_H_
#define SSI_TEST_CLUSTER_FAULTS_TWICE_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace ssi::test {

class Twice {
 public:
  // `bodies` lists what may compute away, again and again, from a thread.
  explicit Twice(std::function<std::vector<pid_t>()> bodies);
  ~Twice();
  Twice(const Twice&) = delete;
  Twice& operator=(const Twice&) = delete;
  Twice(Twice&&) = delete;
  Twice& operator=(Twice&&) = delete;

  // Stops looking. Two that took turns, in words; empty if there are none: a
  // body that has left never computes again, so once another has computed it
  // has computed its last.
  std::string Stop();

 private:
  struct Growth {
    unsigned look;
    pid_t pid;
  };
  void Look();

  std::function<std::vector<pid_t>()> bodies_;
  std::map<pid_t, unsigned long> ticks_;
  std::vector<Growth> growths_;
  unsigned looks_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_FAULTS_TWICE_H_
