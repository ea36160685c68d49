// VAE, UNet and glyph encoder that repaint together: conditioning, latents, sampling.
#pragma once

#include <functional>
#include <optional>

#include "diffusion/inpainting_inputs.h"
#include "diffusion/noise_schedule.h"
#include "diffusion/sampler.h"
#include "engine/abort_flag.h"
#include "engine/script_module.h"
#include "losses/vae_loss.h"

namespace anonymizer {

// Linear layer from the glyph encoder's width to the UNet's; only where they differ.
struct TextProjection {
  at::Tensor weight, bias;  // [out, in], [out]
  // Xavier-uniform from the seed, bias 0.
  static TextProjection initialise(int64_t input_width, int64_t output_width, uint64_t seed, c10::Device device);
  static TextProjection load(const std::string& path, int64_t input_width, int64_t output_width, c10::Device device);
  std::vector<NamedTensor> named(const std::string& prefix) const {
    return {{prefix + "weight", weight}, {prefix + "bias", bias}};
  }
};

struct TextProjectionOptions {
  int64_t input_width = 0;
  int64_t output_width = 0;
  std::string weights;  // empty: initialised
};

struct InpaintingModelOptions {
  ModelFiles vae, unet, glyph_encoder;
  std::optional<TextProjectionOptions> text_projection;
  MaskedFill masked_fill = MaskedFill::kZero;
  double scaling_factor = 0.18215;
  Prediction prediction = Prediction::kEpsilon;
};

struct SamplingOptions {
  SamplerKind sampler = SamplerKind::kDdim;
  StepPlan plan;
  double guidance_scale = 1;
  // Of decode_sampled.
  double change_scale = 1;
  std::function<void(int64_t done, int64_t total)> on_step;
};

// Scaled latents: what was sampled, and those of the masked image.
struct SampledLatents {
  at::Tensor latents, masked;
};

// All float32; drafts undefined where the model takes none.
struct SamplingInputs {
  at::Tensor images, masks, drafts, glyphs;
};

class InpaintingModel {
 public:
  // Checks that conv_in takes 2·C+1 channels; ERR_MODEL_SHAPE otherwise.
  InpaintingModel(const InpaintingModelOptions& options, uint64_t seed, c10::Device device);

  // images [B, 3, H, W] in [-1, 1] → posterior of unscaled latents.
  Posterior encode(const at::Tensor& images);
  // scaled latents → images [B, 3, H, W]
  at::Tensor decode(const at::Tensor& latents);
  // Scaled latents of the masked image (the posterior's mean: no noise in a condition). drafts: for MaskedFill::kDraft.
  at::Tensor masked_latents(const at::Tensor& images, const at::Tensor& masks, const at::Tensor& drafts = {});
  // glyphs [B, 3, Hg, Wg] in [-1, 1] → [B, S, D]
  at::Tensor condition(const at::Tensor& glyphs) { return project(glyph_states(glyphs)); }
  // The encoder's last hidden state, [B, S, D of the encoder].
  at::Tensor glyph_states(const at::Tensor& glyphs);
  // Hidden states → the UNet's width.
  at::Tensor project(const at::Tensor& states) const;
  at::Tensor predict(const at::Tensor& noisy, const at::Tensor& mask, const at::Tensor& masked,
                     const at::Tensor& timesteps, const at::Tensor& condition);
  // Images [B, 3, H, W] of what was sampled. Where the model takes drafts, the draft with what sampling changed in it,
  // draft + change_scale·softshrink(D(z) − D(E(draft))): what the autoencoder loses of a draft is not lost, and changes
  // of less than 4 of 255 levels, its noise, leave even paper even (soft thresholding, Donoho 1995).
  at::Tensor decode_sampled(const SampledLatents& sampled, const SamplingInputs& inputs, double change_scale = 1);
  // noise: float32 [B, C, h, w] on any device. A strength below 1 begins with what stands in
  // the masked image, a draft, where the model takes drafts, and else with the image.
  SampledLatents sample(const SamplingInputs& inputs, const std::function<at::Tensor(at::IntArrayRef)>& noise,
                        const SamplingOptions& options, const AbortFlag& abort);

  ScriptModule& unet() { return unet_; }
  ScriptModule& glyph_encoder() { return glyph_encoder_; }
  std::optional<TextProjection>& text_projection() { return text_projection_; }
  const NoiseSchedule& schedule() const { return schedule_; }
  const InpaintingModelOptions& options() const { return options_; }

 private:
  InpaintingModelOptions options_;
  c10::Device device_;
  ScriptModule vae_, unet_, glyph_encoder_;
  std::optional<TextProjection> text_projection_;
  NoiseSchedule schedule_;
  int64_t unet_channels_;
};

}  // namespace anonymizer
