// One interface for what turns noise into latents, step by step. Timesteps are spaced "leading" with offset 1, as SD2's
// scheduler configuration has it.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "diffusion/noise_schedule.h"

namespace anonymizer {

enum class SamplerKind { kDdim, kDpmSolver, kUniPc };

// "ddim", "dpmpp_2m", "unipc"; ERR_INVALID_ARGUMENT for any other, said of `what`.
SamplerKind parse_sampler(const std::string& name, const std::string& what);

class Sampler {
 public:
  virtual ~Sampler() = default;
  // Those that are run, from the noisiest.
  const std::vector<int64_t>& timesteps() const { return timesteps_; }
  // x at timesteps()[k] → x one step on; model_output is ε or v. float32 [B, C, h, w]. To be called once for each k, in
  // order: a multistep sampler remembers.
  virtual at::Tensor step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) = 0;

 protected:
  std::vector<int64_t> timesteps_;
};

// steps: 1 … 1000 with DDIM, 1 … 998 with the others, which need two timesteps more. strength in (0, 1]: the share of
// the steps that is run. ERR_INVALID_ARGUMENT outside.
std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule, int64_t steps, double strength,
                                      Prediction prediction);

// Throws unless steps is 1 … most and strength in (0, 1]; gives how many of the steps are run, at least 1.
int64_t checked_steps(int64_t steps, int64_t most, double strength);

}  // namespace anonymizer
