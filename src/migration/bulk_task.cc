#include "migration/bulk_task.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace ssi::migration {

BulkTask::BulkTask(Loop& loop, const std::function<void()>& work,
                   std::function<void()> done)
    : alive_(std::make_shared<bool>(true)) {
  // The loop must not run out of work while this one is under way.
  auto keep = std::make_shared<asio::executor_work_guard<Loop::executor_type>>(
      loop.get_executor());
  auto finish = [&loop, keep, alive = alive_, done = std::move(done)] {
    asio::post(loop, [keep, alive, done] {
      if (*alive) {
        done();
      }
    });
  };
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  try {
    thread_ = std::thread([work, finish] {
      work();
      finish();
    });
    ::pthread_setname_np(thread_.native_handle(), "ssi-bulk");
  } catch (const std::system_error&) {
    // No memory or number for a thread: the loop waits for the work then.
    asio::post(loop, [keep, alive = alive_, work, finish] {
      if (*alive) {
        work();
        finish();
      }
    });
  }
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

BulkTask::~BulkTask() {
  *alive_ = false;
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace ssi::migration
