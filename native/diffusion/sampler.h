// One interface for what turns noise into latents, step by step.
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

// Which of the timesteps are run (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
// table 2): "leading" with offset 1 as in SD2's scheduler configuration, which with few steps begins far from pure
// noise, or "trailing", which always begins at the last one.
enum class Spacing { kLeading, kTrailing };

// "leading", "trailing"; ERR_INVALID_ARGUMENT for any other, said of `what`.
Spacing parse_spacing(const std::string& name, const std::string& what);

// What decides the timesteps. strength in (0, 1]: the share of the steps that is run.
struct StepPlan {
  int64_t steps = 20;
  double strength = 1;
  Spacing spacing = Spacing::kLeading;

  // Throws unless steps is 1 … most and strength in (0, 1]; gives how many of the steps are run, at least 1.
  int64_t checked(int64_t most) const;
  // The last `run` of 1000 − i·1000/steps, rounded, less one: 50 steps are 999, 979, …, 19.
  std::vector<int64_t> trailing(int64_t run) const;
};

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

// steps: 1 … 1000 with DDIM, 1 … 998 with the others, which need two timesteps more. ERR_INVALID_ARGUMENT outside.
std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule, const StepPlan& plan,
                                      Prediction prediction);

}  // namespace anonymizer
