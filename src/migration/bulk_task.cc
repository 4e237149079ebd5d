#include "migration/bulk_task.h"

#include <pthread.h>
#include <signal.h>

namespace ssi::migration {

BulkTask::BulkTask(Loop& loop, std::function<void()> work,
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
  thread_ = std::thread([work = std::move(work), finish] {
    work();
    finish();
  });
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::pthread_setname_np(thread_.native_handle(), "ssi-bulk");
}

BulkTask::~BulkTask() {
  *alive_ = false;
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace ssi::migration
