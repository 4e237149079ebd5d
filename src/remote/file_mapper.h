#ifndef SSI_REMOTE_FILE_MAPPER_H_
#define SSI_REMOTE_FILE_MAPPER_H_

#include <cstdint>
#include <deque>
#include <functional>

#include "process/image.h"
#include "proto/session.pb.h"
#include "proto/steady_channel.h"
#include "remote/body.h"
#include "remote/guest_thread.h"
#include "remote/local_files.h"

namespace ssi {

// mmap of a private file mapping while the process is away: asks home which
// file the descriptor is, gets the bytes that this node lacks, and lets the
// kernel make the guest's own mmap on a file of this node, which is given the
// guest under the same number for just that call.
//
// Owner:   the guest. One mapping at a time; the others wait.
// Threads: the tracer's.
class FileMapper {
 public:
  struct Parts {
    proto::SteadyChannel& channel;
    Body& body;
    LocalFiles& files;
    ProcessImage& followed;
  };
  // `come_home`: the mapping cannot be made here.
  FileMapper(Parts parts,
             std::function<void(const Notification&, std::string_view reason)>
                 come_home)
      : parts_(parts), come_home_(std::move(come_home)) {}

  // An mmap, which `thread` waits in; or an mremap: where a mapping grows over
  // bytes of a file that have not been fetched yet, they are before the kernel
  // makes the call.
  void Begin(GuestThread& thread, const Notification& call);
  Status OnReply(const wire::MapFileReply& reply);
  // A thread has stopped, behind its mmap: takes the descriptor away again.
  void OnThreadStopped(const GuestThread& thread);
  // A thread has stopped instead of making its mmap: it is made for it.
  void OnThreadTorn(const GuestThread& thread);
  // It has ended.
  void OnThreadGone(const GuestThread& thread);
  [[nodiscard]] bool Busy() const { return step_ != Step::kIdle; }

 private:
  enum class Step : std::uint8_t { kIdle, kAsking, kFetching, kMapping };

  void BeginNext();
  void BeginMap();
  void BeginRemap();
  void End();
  Status TakeFile(const wire::MapFileReply& reply);
  void Need();
  [[nodiscard]] bool FindGrown();
  Status TakeBytes(const wire::MapFileReply& reply);
  void Ask();
  void Done();
  void MapZero();
  void Map(int fd);
  void Mapped(std::int64_t result);
  // The call's answer.
  void Refuse(std::int64_t result);
  void GiveUp(const Error& error);
  void AnswerByKernel();
  [[nodiscard]] bool Shared() const;

  Parts parts_;
  std::function<void(const Notification&, std::string_view reason)> come_home_;
  Step step_ = Step::kIdle;
  struct Waiting {
    GuestThread* thread;
    Notification call;
  };
  std::deque<Waiting> waiting_;
  GuestThread* thread_ = nullptr;  // of the mapping under way
  Notification call_;
  MappedFile file_;  // id 0: it is memory, /dev/zero
  MemoryRun needed_{};
  std::uint64_t fetched_ = 0;
  std::uint64_t id_ = 0;
};

}  // namespace ssi

#endif  // SSI_REMOTE_FILE_MAPPER_H_
