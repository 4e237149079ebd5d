// What the parts of a deputy share.
#ifndef SSI_DEPUTY_HOME_PROCESS_H_
#define SSI_DEPUTY_HOME_PROCESS_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "deputy/call_server.h"
#include "deputy/executor.h"
#include "deputy/history.h"
#include "deputy/home_signals.h"
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

  // From a freeze until the process is plain again.
  std::optional<StandIn> stand_in;
  // A freeze was given up because it did not stop in time: it is traced, runs,
  // and is let go at its next stop, unless it is frozen again before.
  bool lingering = false;

  // While it is away: declared so that each is destroyed before what it uses.
  std::unique_ptr<Executor> executor;
  std::unique_ptr<CallServer> calls;
  std::unique_ptr<HomeSignals> home_signals;

  [[nodiscard]] bool Away() const { return home_signals != nullptr; }
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HOME_PROCESS_H_
