#ifndef SSI_MIGRATION_BULK_TASK_H_
#define SSI_MIGRATION_BULK_TASK_H_

#include <functional>
#include <memory>
#include <thread>

#include "base/loop.h"

namespace ssi::migration {

// The bulk thread: one piece of blocking work beside the loop.
//
// Owner:   who wants the work done. To end it early, interrupt what it blocks
//          on (BulkStream::Interrupt), then destroy it: it joins.
// Threads: `work` runs in a thread of its own, with all signals blocked (in the
//          loop where the system has no thread for it); `done` in the loop,
//          unless this is destroyed first.
class BulkTask {
 public:
  BulkTask(Loop& loop, const std::function<void()>& work,
           std::function<void()> done);
  ~BulkTask();
  BulkTask(const BulkTask&) = delete;
  BulkTask& operator=(const BulkTask&) = delete;
  BulkTask(BulkTask&&) = delete;
  BulkTask& operator=(BulkTask&&) = delete;

 private:
  std::shared_ptr<bool> alive_;  // read and written by the loop's thread only
  std::thread thread_;
};

}  // namespace ssi::migration

#endif  // SSI_MIGRATION_BULK_TASK_H_
