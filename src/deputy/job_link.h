#ifndef SSI_DEPUTY_JOB_LINK_H_
#define SSI_DEPUTY_JOB_LINK_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/loop.h"
#include "base/message_socket.h"
#include "base/result.h"
#include "proto/control.pb.h"

namespace ssi {

// The home supervisor's connection to its node's daemon.
//
// Owner:   the job. The job goes on without it when the daemon is gone.
// Threads: the loop's.
class JobLink {
 public:
  struct Hooks {
    // A request of the daemon's; answer it by Respond.
    std::function<void(const wire::Request&)> on_request;
    std::function<void()> on_closed;
  };

  // Connects and registers, blocking; kGone where no daemon runs.
  static Result<std::unique_ptr<JobLink>> Connect(Loop& loop,
                                                  const wire::RegisterJob& job,
                                                  wire::Registered& registered,
                                                  Hooks hooks);
  JobLink(const JobLink&) = delete;
  JobLink& operator=(const JobLink&) = delete;
  JobLink(JobLink&&) = delete;
  JobLink& operator=(JobLink&&) = delete;
  ~JobLink() = default;

  using OnResponse = std::function<void(Result<wire::Response>)>;
  void Ask(wire::Request request, OnResponse on_response);
  void Respond(const wire::Response& response);

 private:
  JobLink(Loop& loop, UniqueFd socket, Hooks hooks);
  void OnMessage(std::span<const std::byte> data);
  void OnClosed();
  Status Send(const wire::JobMessage& message);

  Hooks hooks_;
  std::map<std::uint64_t, OnResponse> waiting_;
  std::uint64_t next_id_ = 1;
  MessageSocket socket_;
};

}  // namespace ssi

#endif  // SSI_DEPUTY_JOB_LINK_H_
