#include "remote/guest_task.h"

namespace ssi {

GuestTask::GuestTask(Parts parts)
    : tid(parts.tid),
      thread(parts.thread),
      signals{parts.signals, parts.mask},
      forwarder(parts.forwarder),
      sleeper(parts.forwarder.loop, parts.forwarder.clock, here()),
      away_signals({parts.process, tid, thread, signals},
                   std::move(parts.signal_hooks)),
      calls({thread, forwarder, sleeper, away_signals, signals, parts.followed,
             parts.forwarder.loop, parts.forwarder.clock, parts.process, here(),
             tid},
            std::move(parts.call_hooks)) {}

}  // namespace ssi
