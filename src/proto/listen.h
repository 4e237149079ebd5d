// Waiting for other nodes to connect.
#ifndef SSI_PROTO_LISTEN_H_
#define SSI_PROTO_LISTEN_H_

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace ssi::proto {

// Accepts connections, each as PrepareSocket makes it. When the process has
// no descriptors left it waits a little and tries again.
//
// Threads: the loop's only.
// The callback may destroy the listener.
class Listener {
 public:
  using Callback = std::function<void(UniqueFd)>;

  // Port 0: the kernel chooses; see address().
  static Result<std::unique_ptr<Listener>> Make(Loop& loop,
                                                const std::string& address,
                                                Callback on_connection);
  // A socket that listens and does not block, of any family.
  static std::unique_ptr<Listener> Of(Loop& loop, UniqueFd socket,
                                      Callback on_connection);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  Listener(Listener&&) = delete;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  // Where it listens, with the port in numbers; empty where Of made it.
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  class State;
  Listener(std::shared_ptr<State> state, std::string address);

  std::shared_ptr<State> state_;
  std::string address_;
};

}  // namespace ssi::proto

#endif  // SSI_PROTO_LISTEN_H_
