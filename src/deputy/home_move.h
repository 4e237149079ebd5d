#ifndef SSI_DEPUTY_HOME_MOVE_H_
#define SSI_DEPUTY_HOME_MOVE_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "deputy/home_process.h"
#include "migration/home_machine.h"
#include "migration/image_stream.h"
#include "migration/source_machine.h"
#include "migration/target_machine.h"
#include "proto/session.pb.h"

namespace ssi {

// One move of a process, as home drives it: the deciding role, and the source's
// or target's role where that is here too.
//
// Owner:      the deputy, until `finished`.
// Threads:    the tracer's.
class HomeMove {
 public:
  struct Plan {
    migration::Direction direction{};
    std::string node;        // the other one; onward, the one that it goes to
    std::string from;        // onward: the one that it leaves
    std::string reason;      // why it is to move
    std::uint64_t size = 0;  // onward: of its memory, as its node said
  };
  struct Hooks {
    // It now computes elsewhere: serve it.
    std::function<void()> away;
    // It is whole at home, in a stop, about to go on.
    std::function<void()> home;
    // Onward: GO is about to be said. From now on the session with the target
    // is the process's, the other one the source's.
    std::function<void()> switched;
    // A departure was given up: it is in a stop, or untraced, as it was.
    std::function<void()> resumed;
    std::function<void(migration::Outcome, const std::string& reason)> finished;
  };

  HomeMove(HomePlaces& places, HomeProcess& process, Plan plan, Hooks hooks);
  ~HomeMove();
  HomeMove(const HomeMove&) = delete;
  HomeMove& operator=(const HomeMove&) = delete;
  HomeMove(HomeMove&&) = delete;
  HomeMove& operator=(HomeMove&&) = delete;

  // Which of the sessions: the process's, or onward the other one.
  enum class Link : std::uint8_t { kOfProcess, kOther };

  // Needs an open session with the other node, or with both.
  void Begin();
  Status OnFrame(Link link, std::span<const std::byte> payload);
  // The source has said all that the process did there (kSettled).
  void OnSettled();
  // The connection broke and is being made anew: a move that is not committed
  // is given up, whatever was said stands.
  void OnDisconnected(const std::string& reason);
  // It will not come back.
  void OnLinkLost(Link link, const std::string& reason);
  void OnProcessGone(const std::string& reason);

  [[nodiscard]] const Plan& plan() const { return plan_; }
  // Home has decided how it ended; what happens now is not its business.
  [[nodiscard]] bool Over() const { return outcome_.has_value(); }

 private:
  using Role = migration::Role;
  struct Carrier;

  void Feed(Role role, migration::Event event);
  void Deliver(Role role, const migration::Event& event);
  void Carry(Role role, const migration::Actions& actions);
  [[nodiscard]] bool IsHere(Role role) const;
  // The one that is behind the link.
  [[nodiscard]] Role PeerAt(Link link) const;
  [[nodiscard]] Session* SessionWith(Role role) const;

  void Send(Role from, Role to, const migration::Message& message);
  [[nodiscard]] std::uint64_t SizeOfProcess() const;
  void SwitchSessions();
  void OfferFirst();
  void SayGo();
  void DescribeAsk(wire::AskDetails& details);
  void DescribeFiles(wire::AskDetails& details);
  void StartTimer(Role role, migration::TimerKind kind, Nanos limit);

  // ---- the source at home ----
  void FreezeHere();
  void SendImage();
  void ResumeHere();
  void EmptyStandIn();
  void DestroyHere(const std::string& reason);

  // ---- the target at home ----
  void ReceiveImage();
  void OnImage();
  void BeginRebuild();
  void StartHere();
  void DiscardRebuild();

  void Finish(const migration::Finished& finished);

  HomePlaces& places_;
  HomeProcess& process_;
  Plan plan_;
  Hooks hooks_;
  MoveId id_;
  migration::HomeMachine home_;
  std::optional<migration::SourceMachine> source_;
  std::optional<migration::TargetMachine> target_;
  struct Queued {
    Role to;
    migration::Event event;
  };
  std::deque<Queued> queue_;
  bool draining_ = false;
  std::map<std::pair<Role, migration::TimerKind>, std::unique_ptr<Timer>>
      timers_;
  std::optional<migration::Finished> outcome_;
  bool reported_ = false;
  bool link_lost_ = false;  // for good
  bool switched_ = false;   // onward: it is decided
  bool offered_ = false;    // so that GO can be said
  Timer go_timer_;

  // The image may overtake, on its own connection, what the process did before
  // it was frozen. It is taken when both have arrived, and all is done here.
  std::optional<Result<CapturedProcess>> image_;
  Nanos floor_{};  // of the coarse clock, of a return
  bool settled_ = false;
  Timer settle_timer_;
  Later later_;
  migration::Checksum checksum_{};
  bool refilled_ = false;
  bool source_holds_ = false;   // HELD has come
  bool rebuild_waits_ = false;  // for that
  Hop hop_;
  Nanos began_{};
  Nanos froze_{};
  std::uint64_t bytes_ = 0;
  CpuTime used_there_;  // by the body that is left, of a return
};

}  // namespace ssi

#endif  // SSI_DEPUTY_HOME_MOVE_H_
