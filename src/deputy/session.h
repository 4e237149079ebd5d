#ifndef SSI_DEPUTY_SESSION_H_
#define SSI_DEPUTY_SESSION_H_

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/loop.h"
#include "base/result.h"
#include "migration/bulk_task.h"
#include "proto/bulk_stream.h"
#include "proto/channel.h"
#include "proto/connect.h"
#include "proto/control.pb.h"
#include "proto/greeting.h"
#include "proto/tls.h"

namespace ssi {

// Home's end of a session: the two connections to a guest supervisor.
//
// Owner:   the deputy. Destroying it closes both.
// Threads: the loop's.
// `opened` comes once; after an error nothing else does. `closed` comes at
// most once, when an open session ends.
class Session {
 public:
  struct Hooks {
    std::function<void(Status)> opened;
    std::function<void(const proto::FrameHeader&, std::span<const std::byte>)>
        on_frame;
    std::function<void(const Error&)> closed;
  };

  Session(Loop& loop, std::string node, const wire::SessionOpened& where,
          Hooks hooks);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  [[nodiscard]] const std::string& node() const { return node_; }
  [[nodiscard]] proto::Channel& channel() { return *channel_; }
  // The connection for calls is good.
  [[nodiscard]] bool Open() const { return open_; }
  // Both are: it can serve another move.
  [[nodiscard]] bool Whole() const { return open_ && bulk_good_; }
  // Makes the bulk connection anew if it is of no use any more; Whole tells
  // when it is there. Where it cannot be made nothing else is lost.
  void RenewBulk();

  // One piece of blocking work on the bulk connection at a time.
  void RunBulk(std::function<void(proto::BulkStream&)> work,
               std::function<void()> done);
  // Breaks it off, if there is one under way; the connection is of no use then.
  void StopBulk();

 private:
  struct Connection {
    std::unique_ptr<proto::Connector> connector;
    std::unique_ptr<proto::Greeting> greeting;
  };
  void Connect(proto::Purpose purpose, Connection& connection);
  void OnGreeted(proto::Purpose purpose, Result<proto::Greeted> greeted);
  void OpenCalls(proto::Greeted greeted, const proto::TlsContext& context);
  void OpenBulk(proto::Greeted greeted, const proto::TlsContext& context);
  void Fail(const Error& error);
  void FailConnection(proto::Purpose purpose, const Error& error);
  void CheckOpen();

  Loop& loop_;
  std::string node_;
  wire::SessionOpened where_;
  Hooks hooks_;
  Connection calls_;
  Connection bulk_connection_;
  std::unique_ptr<proto::Channel> channel_;
  std::unique_ptr<proto::BulkStream> bulk_;
  std::unique_ptr<migration::BulkTask> task_;
  bool calls_open_ = false;
  bool bulk_good_ = false;
  bool bulk_busy_ = false;
  bool renewing_ = false;  // bulk
  bool open_ = false;
  bool failed_ = false;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_SESSION_H_
