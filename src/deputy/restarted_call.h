// Which call a thread is in that the kernel has made it restart.
//
// One that was interrupted before, and goes on with its time as its restart
// block has it, is in restart_syscall(2): its arguments are still those of the
// call, but nothing tells the number. Only poll, nanosleep, clock_nanosleep and
// futex have such blocks.
#ifndef SSI_DEPUTY_RESTARTED_CALL_H_
#define SSI_DEPUTY_RESTARTED_CALL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "process/registers.h"
#include "process/thread_call.h"

namespace ssi {

// Of a thread that sleeps in restart_syscall, where in the kernel: the symbol
// of /proc/TID/wchan (proc(5)); "0" where the kernel does not tell. Empty of
// one that does anything else.
std::string PlaceInRestart(HostPid thread, const ThreadCall& call);

// The call's number, by its arguments and that symbol.
std::uint64_t RestartedCall(const CallArgs& args, std::string_view place);

// Registers of a thread that is stopped in such a call, or about to enter it:
// as if it had been interrupted in the call itself.
void BackFromRestart(Registers& registers, std::string_view place);

}  // namespace ssi

#endif  // SSI_DEPUTY_RESTARTED_CALL_H_
