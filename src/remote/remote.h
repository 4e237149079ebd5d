#ifndef SSI_REMOTE_REMOTE_H_
#define SSI_REMOTE_REMOTE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "migration/bulk_link.h"
#include "migration/image_stream.h"
#include "migration/source_machine.h"
#include "migration/target_machine.h"
#include "proto/session.pb.h"
#include "proto/steady_channel.h"
#include "remote/guest.h"
#include "remote/local_files.h"
#include "remote/outbound.h"
#include "remote/policy.h"
#include "remote/watchdog.h"

namespace ssi {

// The side of one process's session that is not its home: the two connections
// to the home supervisor, the source's and target's part of its moves, and the
// guest itself while it is here. When the connection for calls is lost, all is
// kept for the next one that home makes; the guest computes on meanwhile.
//
// Owner:      the guest supervisor, by session id, until `ended`.
// Threads:    the tracer's.
// Invariants: a guest that has heard nothing of home for long enough
//             (migration::GuestEndFor) is killed, before home gives it up.
class Remote {
 public:
  struct Places {
    Loop& loop;
    const Clock& clock;
    LocalFiles& files;
    const GuestPolicy& policy;
    Watchdog& watchdog;
  };
  // `ended` comes once, from the loop; then this must be destroyed.
  Remote(Places places, std::string name, std::function<void()> ended);
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;
  Remote(Remote&&) = delete;
  Remote& operator=(Remote&&) = delete;

  // The two connections, greeted (proto/greeting.h).
  void TakeCalls(UniqueFd socket, const proto::TlsContext& context);
  void TakeBulk(UniqueFd socket, const proto::TlsContext& context);

  // After each SIGCHLD.
  void PollStops();
  // Home has the process and has opened another session for it.
  void Supersede();
  // This node goes down: asks home to take the process back.
  void AskToLeave(const std::string& reason);
  [[nodiscard]] bool HasGuest() const;
  // Of the guest, for listings.
  [[nodiscard]] std::int32_t home_pid() const { return home_pid_; }
  [[nodiscard]] const std::string& home_node() const { return home_node_; }
  [[nodiscard]] const std::string& command() const { return command_; }
  [[nodiscard]] wire::Usage Usage() const;

 private:
  using SourceMachine = migration::SourceMachine;
  using TargetMachine = migration::TargetMachine;

  void OnFrame(const proto::FrameHeader& header,
               std::span<const std::byte> payload);
  Status HandleFrame(const proto::FrameHeader& header,
                     std::span<const std::byte> payload);
  Status OnMoveFrame(std::span<const std::byte> payload);
  Status OnOnward(std::span<const std::byte> payload);
  proto::SteadyChannel::Callbacks ChannelCallbacks();
  void OnReceived();
  void OnLost(const Error& error);
  void OnEnded(const Error& error);
  [[nodiscard]] Nanos SinceHeard() const;
  void WatchHome();
  void EndSession(const std::string& reason);

  void Feed(migration::Event event);
  void Carry(migration::Role role, const migration::Actions& actions);
  struct Carrier;

  // ---- actions of the machines ----
  void Send(migration::Role from, const migration::Message& message);
  void FailArrival(const Error& error);
  void CheckAsk(const migration::Ask& ask);
  void PrepareSandbox();
  void ReceiveImage();
  void OnImage(Result<CapturedProcess> image);
  void LearnShift(const ClockFloor& frozen);
  Status PrepareFiles(const CapturedProcess& image,
                      migration::Destination& destination);
  void OnContents(Result<migration::Checksum> checksum);
  void BeginRebuild();
  void StartHere();
  void Discard(const std::string& reason);
  void SendImage();
  void OnImageSent(const Result<migration::SendResult>& sent);
  void StartTimer(migration::TimerKind kind, Nanos limit);

  void MakeGuest();
  void DropGuest();
  void SendUsage();
  void CutAt(const char* point);
  void Transmit(proto::FrameType type,
                const google::protobuf::MessageLite& message);

  Places places_;
  std::string name_;
  std::function<void()> ended_;
  bool over_ = false;

  proto::SteadyChannel channel_;
  Nanos heard_at_;       // BOOTTIME: the last that came from home
  Nanos looked_at_;      // whether that is too long ago
  Nanos looked_before_;  // and the time before
  Timer home_timer_;
  migration::BulkLink bulk_;
  std::function<void()> when_bulk_ready_;
  std::unique_ptr<Outbound> outbound_;
  bool onward_ = false;  // the image takes that one
  std::uint64_t sent_bytes_ = 0;

  std::deque<migration::Event> events_;
  bool feeding_ = false;
  std::optional<SourceMachine> source_;
  std::optional<TargetMachine> target_;
  std::map<migration::TimerKind, std::unique_ptr<Timer>> timers_;
  migration::Checksum checksum_{};
  std::vector<std::pair<MappedFile, std::vector<MemoryRun>>> filling_;

  std::optional<Sandbox> sandbox_;  // for the guest to come
  std::unique_ptr<Guest> guest_;
  Guest::ClockShift shift_;
  wire::AskDetails details_;
  Timer usage_timer_;
  Later later_;

  std::int32_t home_pid_ = 0;
  std::string home_node_;
  std::string command_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_REMOTE_H_
