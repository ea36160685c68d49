// Asked for on the JavaScript thread, seen on the job thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "engine/error.h"

namespace anonymizer {

class AbortFlag {
 public:
  void request() {
    requested_.store(true, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (listener_) listener_();
  }
  void clear() { requested_.store(false, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }
  void check() const {
    if (requested()) throw CodedError("ERR_ABORTED", "The computation was aborted");
  }
  // Called when the flag is raised, on that thread, and at once when it is up already; for waits that can't look at the
  // flag themselves. One at a time; {} ends it.
  void listen(std::function<void()> listener) const {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
    if (listener_ && requested()) listener_();
  }

 private:
  std::atomic<bool> requested_{false};
  mutable std::mutex mutex_;
  mutable std::function<void()> listener_;
};

}  // namespace anonymizer
