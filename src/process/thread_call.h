#ifndef SSI_PROCESS_THREAD_CALL_H_
#define SSI_PROCESS_THREAD_CALL_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "process/registers.h"

namespace ssi {

// What a thread does, as /proc/TID/syscall tells (proc(5)): it may be anyone's
// that this process may trace, and need not be stopped.
struct ThreadCall {
  bool running = false;                 // and nothing more is known
  std::optional<std::uint64_t> number;  // nothing: it waits in no call
  CallArgs args{};                      // of the call
  RemoteAddr sp{};
};

// Nothing where the thread is gone.
std::optional<ThreadCall> ReadThreadCall(HostPid thread);
// The line of that file; nothing for one that is otherwise.
std::optional<ThreadCall> ParseThreadCall(std::string_view line);

}  // namespace ssi

#endif  // SSI_PROCESS_THREAD_CALL_H_
