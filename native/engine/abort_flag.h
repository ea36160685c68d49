// Asked for on the JavaScript thread, seen on the job thread.
#pragma once

#include <atomic>

#include "engine/error.h"

namespace anonymizer {

class AbortFlag {
 public:
  void request() { requested_.store(true, std::memory_order_relaxed); }
  void clear() { requested_.store(false, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }
  void check() const {
    if (requested()) throw CodedError("ERR_ABORTED", "The computation was aborted");
  }

 private:
  std::atomic<bool> requested_{false};
};

}  // namespace anonymizer
