// Mean gradients over all ranks by c10d's Reducer: in buckets, while the backward pass still runs.
//
// The Reducer has buffers of its own and copies each gradient in when it is ready and back when its bucket was reduced.
// The gradients themselves stay where the optimizer keeps them (one flat buffer), so clipping, sharding and other
// optimizers know nothing of it. The graph counts as static: parameters that get no gradient are found in the first
// step, and a backward pass inside a backward pass (activation checkpointing) is no obstacle.
#pragma once

#include <memory>
#include <vector>

#include "distributed/communicator.h"

namespace c10d {
class Reducer;
}

namespace anonymizer {

class GradientReducer {
 public:
  // Every parameter has its .grad when backward() is called. The communicator must outlive the reducer.
  GradientReducer(Communicator& communicator, std::vector<at::Tensor> parameters, int64_t bucket_bytes,
                  const AbortFlag& abort);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // Runs the backward pass of a scalar. With `exchange` (the last micro-batch of a step) every .grad is afterwards the
  // sum over all ranks of what was accumulated there. ERR_DISTRIBUTED, also for every call after a pass that ended in
  // the middle of an exchange.
  void backward(const at::Tensor& loss, bool exchange);

 private:
  class Hook;
  struct Progress;
  void make_reducer();

  Communicator& communicator_;
  std::vector<at::Tensor> parameters_;
  int64_t bucket_bytes_;
  const AbortFlag& abort_;
  std::shared_ptr<Progress> progress_;
  std::unique_ptr<c10d::Reducer> reducer_;
  bool first_ = true;
  bool broken_ = false;
};

}  // namespace anonymizer
