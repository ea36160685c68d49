// One thread that runs the jobs of one trainer or pipeline in order.
//
// LibTorch keeps the thread count, grad mode and autocast per thread, so a thread of our own is the only place where
// these can be trusted; and libuv's four threads stay free for image decoding.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/abort_flag.h"

namespace anonymizer {

// Held while a job runs: two trainers on one device at the same time are slower than one after the other.
using DeviceLock = std::shared_ptr<std::timed_mutex>;

class JobThread {
 public:
  // threads: intra-op threads, 0 = LibTorch's default.
  JobThread(int threads, DeviceLock device_lock);
  ~JobThread() { stop(); }
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  // The job must not throw. Dropped without being run once stop() was called.
  void post(std::function<void()> job);
  // Makes every job posted so far throw ERR_ABORTED at its next check; jobs posted later run normally.
  void abort_posted();
  // Aborts, drops what waits, joins. Called from the JavaScript thread; harmless when repeated.
  void stop();
  AbortFlag& abort_flag() { return abort_; }

 private:
  void run(int threads);

  DeviceLock device_lock_;
  AbortFlag abort_;
  std::mutex mutex_;
  std::condition_variable wake_;
  struct Job {
    uint64_t number;
    std::function<void()> run;
  };
  std::deque<Job> jobs_;
  uint64_t posted_ = 0;
  uint64_t abort_until_ = 0;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace anonymizer
