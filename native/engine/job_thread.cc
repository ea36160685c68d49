#include "engine/job_thread.h"

#include <ATen/Parallel.h>

#include <chrono>

namespace anonymizer {

JobThread::JobThread(int threads, DeviceLock device_lock) : device_lock_(std::move(device_lock)) {
  thread_ = std::thread([this, threads] { run(threads); });
}

void JobThread::post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back({++posted_, std::move(job)});
  }
  wake_.notify_one();
}

void JobThread::abort_posted() {
  std::lock_guard lock(mutex_);
  abort_until_ = posted_;
  if (busy_) abort_.request();
}

void JobThread::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
    abort_.request();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void JobThread::run(int threads) {
  if (threads > 0) at::set_num_threads(threads);
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front().run);
      abort_.clear();
      if (jobs_.front().number <= abort_until_) abort_.request();
      jobs_.pop_front();
      busy_ = true;
    }
    // An aborted job still runs: it sees the flag at its first check and settles its promise.
    bool locked = false;
    while (!locked && !abort_.requested()) locked = device_lock_->try_lock_for(std::chrono::milliseconds(20));
    job();
    job = nullptr;  // what the job holds is freed before the device is given on
    if (locked) device_lock_->unlock();
    std::lock_guard lock(mutex_);
    busy_ = false;
  }
}

}  // namespace anonymizer
