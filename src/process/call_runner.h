// Executing batches of system calls in another process, in the two ways that
// there are: through an agent, or by injection into a stopped one.
#ifndef SSI_PROCESS_CALL_RUNNER_H_
#define SSI_PROCESS_CALL_RUNNER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "process/agent_window.h"
#include "process/injector.h"
#include "process/tracee.h"

namespace ssi {

class CallRunner {
 public:
  virtual ~CallRunner() = default;
  // Executes the calls in order, all of them whatever they answer, and fills
  // in their results (-errno for failures). An Error means that the process is
  // gone or out of control, not that a call failed.
  virtual Status Run(std::span<AgentCall> calls) = 0;
  // Memory of the process for what the calls point to.
  [[nodiscard]] virtual RemoteAddr space() const = 0;
  [[nodiscard]] virtual std::size_t space_size() const = 0;
  virtual Status Put(std::size_t offset, std::span<const std::byte> data) = 0;
  virtual Status Get(std::size_t offset, std::span<std::byte> out) = 0;
};

// Through an agent that runs, with all signals blocked.
//
// Owner:   whoever captures or rebuilds; borrows tracee and window.
// Threads: the tracer's.
class AgentRunner final : public CallRunner {
 public:
  AgentRunner(const Tracee& tracee, AgentWindow& window)
      : tracee_(tracee), window_(window) {}
  Status Run(std::span<AgentCall> calls) override;
  [[nodiscard]] RemoteAddr space() const override {
    return window_.remote_data();
  }
  [[nodiscard]] std::size_t space_size() const override {
    return window_.data().size();
  }
  Status Put(std::size_t offset, std::span<const std::byte> data) override;
  Status Get(std::size_t offset, std::span<std::byte> out) override;

  // Run in two halves, for one batch, so that the agents of several threads
  // work side by side. kGone, and nothing is done, where an earlier job is not
  // over: its agent died in it.
  void Start(std::span<const AgentCall> calls);
  Status Finish(std::span<AgentCall> calls);

  // A SIGSTOP that came while the agent worked; it was kept back.
  [[nodiscard]] bool stop_pending() const { return stop_pending_; }

 private:
  Status LookAtTracee();

  Tracee tracee_;
  AgentWindow& window_;
  bool posted_ = false;
  bool stop_pending_ = false;
};

// By single steps in a stopped process; `space` is writable memory there.
class InjectingRunner final : public CallRunner {
 public:
  InjectingRunner(Injector& injector, HostPid pid, RemoteAddr space,
                  std::size_t size)
      : injector_(injector), pid_(pid), space_(space), size_(size) {}
  Status Run(std::span<AgentCall> calls) override;
  [[nodiscard]] RemoteAddr space() const override { return space_; }
  [[nodiscard]] std::size_t space_size() const override { return size_; }
  Status Put(std::size_t offset, std::span<const std::byte> data) override;
  Status Get(std::size_t offset, std::span<std::byte> out) override;

 private:
  Injector& injector_;
  HostPid pid_;
  RemoteAddr space_;
  std::size_t size_;
};

// Collects calls that must all succeed and runs them as batches.
class CallBatch {
 public:
  explicit CallBatch(CallRunner& runner) : runner_(runner) {}
  // `what` is for the error text; a literal. `tolerated` is an errno (positive)
  // that does not count as a failure, 0 for none.
  void Add(const char* what, std::uint64_t number, const CallArgs& args,
           int tolerated = 0);
  // Copies `data` into the space and returns its address there. Runs what is
  // collected first where the space is full, so one call's data must be placed
  // as one piece.
  Result<RemoteAddr> Place(std::span<const std::byte> data);
  template <typename T>
  Result<RemoteAddr> PlaceObject(const T& value) {
    return Place(std::as_bytes(std::span(&value, 1)));
  }
  // Runs what is collected; fails with the first call that failed.
  Status Flush();
  // For whoever runs them: what is collected, and the judgement of the results.
  [[nodiscard]] std::span<AgentCall> calls() { return calls_; }
  [[nodiscard]] Status Judge() const;

 private:
  struct Entry {
    const char* what;
    int tolerated;
  };
  CallRunner& runner_;
  std::vector<AgentCall> calls_;
  std::vector<Entry> entries_;
  std::size_t used_ = 0;
};

}  // namespace ssi

#endif  // SSI_PROCESS_CALL_RUNNER_H_
