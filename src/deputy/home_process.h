// What the parts of a deputy share.
#ifndef SSI_DEPUTY_HOME_PROCESS_H_
#define SSI_DEPUTY_HOME_PROCESS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "deputy/cpu_timer_watch.h"
#include "deputy/history.h"
#include "deputy/home_threads.h"
#include "deputy/mapped_files.h"
#include "deputy/movable.h"
#include "deputy/session.h"
#include "deputy/stand_in.h"
#include "deputy/waiter.h"
#include "fs/hash_cache.h"
#include "process/signal_state.h"

namespace ssi {

// The home supervisor's things, the same for every process of its job.
struct HomePlaces {
  Loop& loop;
  const Clock& clock;
  Waiter& waiter;
  HashCache& hashes;
  Baseline baseline;
  std::string node;  // home's name
  Nanos grace{};     // how long a process away may be out of reach
  // Asks the daemon for a session on another node.
  std::function<void(const wire::OpenSession&,
                     std::function<void(Result<wire::SessionOpened>)>)>
      open_session;
};

// One process of the job that is or was away.
struct HomeProcess {
  HostPid pid{};
  std::string command;
  MappedFiles files;
  History history;
  SignalState signals;
  std::unique_ptr<Session> session;
  // On its way from one node away to another: the session with the one that it
  // goes to, and from GO on with the one that it leaves.
  std::unique_ptr<Session> other_session;

  // What its threads have used away, as the last one to come home has told.
  std::map<HostPid, CpuTime> thread_cpu;

  // From a freeze until the process is plain again.
  std::optional<StandIn> stand_in;
  // Threads that are traced at home otherwise. Those that run are let go at
  // their next stop, unless they are frozen before: a freeze was given up
  // because they did not stop in time, or one of them was traced alone.
  Found found;

  // While it is away with timers on CPU time.
  std::optional<CpuTimerWatch> cpu_timers;

  // While it is away: declared so that it is destroyed before the stand-in.
  HomeThreads threads;
  GroupStop group_stop;

  [[nodiscard]] bool Away() const { return !threads.empty(); }
  [[nodiscard]] bool Lingers() const {
    return found.stopped || !found.running.empty();
  }
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HOME_PROCESS_H_
