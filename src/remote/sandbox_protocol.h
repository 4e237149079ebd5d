// What a guest supervisor and the init of a sandbox say to each other, over a
// Unix socket that keeps message borders. Read by the freestanding init too:
// plain structs only.
#ifndef SSI_REMOTE_SANDBOX_PROTOCOL_H_
#define SSI_REMOTE_SANDBOX_PROTOCOL_H_

#include <stdint.h>

namespace ssi {

// The descriptor of the command socket in init, and of the file socket in the
// processes that it makes.
constexpr int kInitSocket = 3;
constexpr int kFileSocket = 0;

enum class InitCommand : uint32_t {
  // Make a process with pid `pid` that runs the agent. Comes with two
  // descriptors: the window's memory, and the socket through which that
  // process will get files. Answered with an InitReply and, if it worked, a
  // pidfd.
  kSpawn = 1,
  // Hold the descriptor that comes along until init dies: a listener, so that
  // the program never sees ENOSYS when the guest supervisor dies first.
  kHold = 2,
  // Make a time namespace for the processes to come. The supervisor then
  // writes its offsets, which is possible until the first one is in it. (Not
  // before init is executed: since Linux 6.0 exec enters the namespace.)
  kNewTime = 3,
};

struct InitRequest {
  InitCommand command;
  int32_t pid;
  uint64_t code;    // where the agent's code page goes
  uint64_t window;  // where the window goes
  uint64_t window_size;
};

struct InitReply {
  int64_t result;  // 0 or -errno
};

}  // namespace ssi

#endif  // SSI_REMOTE_SANDBOX_PROTOCOL_H_
