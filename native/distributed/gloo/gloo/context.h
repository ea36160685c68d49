// Gloo is linked into LibTorch, but its headers are not shipped with it. These declare what c10d's ProcessGroupGloo.hpp
// names and no more: nothing of it is instantiated or derived from here, because the real layouts are unknown.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
