// AdamW whose moments are spread over the ranks (ZeRO stage 1, Rajbhandari et al. 2020): each rank keeps those of a
// contiguous part of all parameters, updates that part and gives it to the others.
#pragma once

#include "distributed/communicator.h"
#include "optim/adamw.h"

namespace anonymizer {

class ShardedAdamW : public AdamW {
 public:
  // Moves the parameters into one flat buffer; the tensors stay the same objects. The communicator must outlive it.
  ShardedAdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options,
               Communicator& communicator);

  // Gradients must be the same on all ranks. Every rank takes part.
  at::Tensor step(double learning_rate, const at::Tensor& loss_scale = {}) override;
  // Every rank takes part; rank 0 gets the whole state, as AdamW has it, the others nothing.
  std::vector<std::pair<std::string, at::Tensor>> state() const override;
  // Takes the whole state of an AdamW, sharded or not, of any number of ranks.
  void load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what) override;

 private:
  // The whole of a moment from its parts or for its parts: one view for each parameter.
  std::vector<std::pair<std::string, at::Tensor>> views(const char* moment, const at::Tensor& flat) const;

  Communicator& communicator_;
  int64_t shard_ = 0;  // values of a rank's part
  at::Tensor flat_parameter_, part_, exp_avg_, exp_avg_sq_;
  // What of each parameter lies in this rank's part.
  struct {
    std::vector<at::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs;
  } own_;
};

}  // namespace anonymizer
