#pragma once

#include <map>
#include <utility>

#include "adapters/lora.h"
#include "diffusion/inpainting_model.h"
#include "losses/denoising_loss.h"
#include "training/objective.h"

namespace anonymizer {

// Timesteps from begin up to end (exclusive) are drawn `multiplier` times as often as the others; 1 = all alike.
struct TimestepBias {
  int64_t begin = 0;
  int64_t end = NoiseSchedule::kTrainSteps;
  double multiplier = 1;
  // The timestep at `place`, uniform in [0, 1).
  int64_t at(double place) const;
};

struct UnetObjectiveOptions {
  InpaintingModelOptions model;
  DenoisingLossOptions loss;
  TimestepBias timesteps;
  // Share of the samples whose condition is replaced by zeros, for guidance.
  double condition_dropout = 0.1;
  // Share of the samples whose mask is the whole image.
  double full_mask_share = 0.25;
  bool train_glyph_encoder = false;
  // Noise that is the same over an image is added in this strength, so that brightness can be learned (Guttenberg
  // 2023).
  double offset_noise = 0;
  // The noise in the input is perturbed by so much, the target not (Ning et al. 2023).
  double input_perturbation = 0;
  // Of the pixels' errors, beside the latents'; above 0 every step decodes what it predicts. They need pixels, no
  // cache.
  double pixel_weight = 0;  // pixel_l1
  double ssim_weight = 0;   // pixel_dssim
  int64_t pixel_start_step = 0;
  // Adapters on the UNet are trained in place of everything else.
  std::optional<LoraOptions> lora;
};

class UnetObjective : public Objective {
 public:
  UnetObjective(const UnetObjectiveOptions& options, uint64_t seed, c10::Device device);
  // UNet by its own names, then text_projection.*, then glyph_encoder.* where trained; with adapters theirs alone.
  std::vector<NamedTensor> parameters() const override;
  std::vector<StatePart> state() const override;
  std::vector<NamedTensor> adapted_base() const override;
  int64_t adapted_base_bytes() const override;
  // terms: denoising; pixel and ssim where they have a weight
  Loss loss(const PreparedBatch& batch, const StepContext& context) override;
  // The batch repainted by DDIM.
  at::Tensor preview(const PreparedBatch& batch, int64_t steps, const StepContext& context,
                     const AbortFlag& abort) override;
  CachedInputs encode(const PreparedBatch& batch) override;

 private:
  // Adds the terms of pixels: of what the predicted latents decode to.
  void add_pixel_terms(Loss& loss, const SampledLatents& predicted, const SamplingInputs& inputs);
  // Scaled latents of an image that is masked as a whole, [1, C, h, w]; the same for all images of that size.
  at::Tensor blank_latents(const PreparedBatch& batch);

  UnetObjectiveOptions options_;
  c10::Device device_;
  mutable InpaintingModel model_;
  std::map<std::pair<int64_t, int64_t>, at::Tensor> blank_latents_;
  std::optional<Lora> lora_;
};

}  // namespace anonymizer
