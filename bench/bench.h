// Helpers of the floors program.
#ifndef SSI_BENCH_BENCH_H_
#define SSI_BENCH_BENCH_H_

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "guest.h"

namespace ssi::bench {

using ::bench::Median;
using ::bench::Now;

struct Cpus {
  int home = 0;
  int away = 0;
};

// Ends the program with what errno says.
[[noreturn]] void Die(const char* what);
void PinTo(int cpu);

// A process that runs `body` on `cpu` and is killed by the destructor.
class Process {
 public:
  Process(int cpu, const std::function<void()>& body);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  Process(Process&&) = delete;
  Process& operator=(Process&&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// Memory that is shared with processes made later.
void* SharedMemory(std::size_t size);

// Two ends of a TCP connection over loopback, as channels have them.
std::pair<UniqueFd, UniqueFd> TcpPair();

// A sample each `in_row` calls of `once`; the median, in us.
double TimeRounds(int rounds, const std::function<void()>& once);

// The measurements; each prints the members of one JSON object.
struct Frames {
  std::string name;
  std::size_t request;
  std::size_t reply;
};
double TcpPingPong(const Cpus& cpus, const Frames& frames, int rounds);
double TlsPingPong(const Cpus& cpus, const Frames& frames, int rounds);
double Notification(const Cpus& cpus, std::size_t result_bytes, int rounds);
double AgentCall(const Cpus& cpus, const std::string& call, int rounds);
double FilteredCall(const Cpus& cpus, bool filtered, int rounds);
// ms for `megabytes` from one process to another.
double Stream(const Cpus& cpus, std::size_t megabytes);
// ms that each command takes from fork to wait, in turns.
std::vector<double> Spawn(const std::vector<std::vector<char*>>& commands,
                          int rounds);

}  // namespace ssi::bench

#endif  // SSI_BENCH_BENCH_H_
