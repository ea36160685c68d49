#include "diffusion/inpainting_model.h"

#include <ATen/Functions.h>

#include <cmath>

#include "engine/random.h"
#include "io/safetensors.h"

namespace anonymizer {

TextProjection TextProjection::initialise(int64_t input_width, int64_t output_width, uint64_t seed,
                                          c10::Device device) {
  const double bound = std::sqrt(6.0 / static_cast<double>(input_width + output_width));
  const SampleSeed source{seed, 0, 0, 0};
  // Uniform from the normal's distribution function, so that one generator serves all.
  const at::Tensor uniform =
      at::erf(source.normal(Purpose::kInitialisation, {output_width, input_width}) / std::sqrt(2.0));
  return {(uniform * bound).to(device), at::zeros({output_width}, at::TensorOptions().dtype(at::kFloat)).to(device)};
}

TextProjection TextProjection::load(const std::string& path, int64_t input_width, int64_t output_width,
                                    c10::Device device) {
  TextProjection result = initialise(input_width, output_width, 0, device);
  copy_by_name(result.named(""), read_safetensors(path), path);
  return result;
}

InpaintingModel::InpaintingModel(const InpaintingModelOptions& options, uint64_t seed, c10::Device device)
    : options_(options), device_(device), schedule_(device) {
  vae_ = ScriptModule::load(options.vae, device);
  vae_.require_method("encode");
  vae_.require_method("decode");
  vae_.set_requires_grad(false);
  unet_ = ScriptModule::load(options.unet, device);
  unet_.require_method("forward");
  unet_.set_requires_grad(false);
  unet_channels_ = unet_.parameter("conv_in.weight").size(1);
  const int64_t latent_channels = unet_.parameter("conv_out.weight").size(0);
  if (unet_channels_ != 2 * latent_channels + 1) {
    throw CodedError("ERR_MODEL_SHAPE", options.unet.weights + ": conv_in takes " + std::to_string(unet_channels_) +
                                            " channels; an inpainting UNet with " + std::to_string(latent_channels) +
                                            " latent channels takes " + std::to_string(2 * latent_channels + 1));
  }
  glyph_encoder_ = ScriptModule::load(options.glyph_encoder, device);
  glyph_encoder_.require_method("forward");
  glyph_encoder_.set_requires_grad(false);
  if (options.text_projection) {
    const auto& p = *options.text_projection;
    text_projection_ = p.weights.empty() ? TextProjection::initialise(p.input_width, p.output_width, seed, device)
                                         : TextProjection::load(p.weights, p.input_width, p.output_width, device);
  }
}

Posterior InpaintingModel::encode(const at::Tensor& images) {
  return Posterior::from_moments(vae_.run("encode", {images}));
}

at::Tensor InpaintingModel::decode(const at::Tensor& latents) {
  return vae_.run("decode", {latents / options_.scaling_factor}).to(at::kFloat);
}

at::Tensor InpaintingModel::decode_sampled(const SampledLatents& sampled, const SamplingInputs& inputs,
                                           double change_scale) {
  if (options_.masked_fill != MaskedFill::kDraft) return decode(sampled.latents);
  const at::Tensor draft = mask_image(inputs.images, inputs.masks, options_.masked_fill, inputs.drafts);
  at::Tensor unchanged;
  {
    torch::NoGradGuard no_grad;
    unchanged = decode(sampled.masked);
  }
  return draft + change_scale * at::softshrink(decode(sampled.latents) - unchanged, 4 / 127.5);
}

at::Tensor InpaintingModel::masked_latents(const at::Tensor& images, const at::Tensor& masks,
                                           const at::Tensor& drafts) {
  return encode(mask_image(images, masks, options_.masked_fill, drafts)).mean * options_.scaling_factor;
}

at::Tensor InpaintingModel::glyph_states(const at::Tensor& glyphs) { return glyph_encoder_.run("forward", {glyphs}); }

at::Tensor InpaintingModel::project(const at::Tensor& states) const {
  return text_projection_ ? at::linear(states, text_projection_->weight, text_projection_->bias) : states;
}

at::Tensor InpaintingModel::predict(const at::Tensor& noisy, const at::Tensor& mask, const at::Tensor& masked,
                                    const at::Tensor& timesteps, const at::Tensor& condition) {
  return unet_.run("forward", {inpainting_input(noisy, mask, masked, unet_channels_), timesteps, condition})
      .to(at::kFloat);
}

SampledLatents InpaintingModel::sample(const SamplingInputs& inputs,
                                       const std::function<at::Tensor(at::IntArrayRef)>& noise,
                                       const SamplingOptions& options, const AbortFlag& abort) {
  torch::NoGradGuard no_grad;
  const std::unique_ptr<Sampler> sampler = make_sampler(options.sampler, schedule_, options.plan, options_.prediction);
  const auto& [images, masks, drafts, glyphs] = inputs;
  const at::Tensor masked = masked_latents(images, masks, drafts);
  abort.check();
  const at::Tensor mask = mask_to_latents(masks, masked.size(2), masked.size(3));
  at::Tensor text = condition(glyphs);
  const bool guided = options.guidance_scale != 1;
  // The unconditional half gets zeros: what a dropped condition is in training.
  if (guided) text = at::cat({at::zeros_like(text), text});
  const int64_t batch = images.size(0);
  at::Tensor latents = noise(masked.sizes()).to(device_);
  if (options.plan.strength < 1) {
    const at::Tensor start =
        at::full({batch}, sampler->timesteps().front(), at::TensorOptions().dtype(at::kLong).device(device_));
    const bool drafted = options_.masked_fill == MaskedFill::kDraft;
    latents = schedule_.add_noise(drafted ? masked : encode(images).mean * options_.scaling_factor, latents, start);
  }
  const auto total = static_cast<int64_t>(sampler->timesteps().size());
  for (int64_t k = 0; k < total; ++k) {
    abort.check();
    const int64_t t = sampler->timesteps()[static_cast<size_t>(k)];
    at::Tensor output;
    if (guided) {
      const at::Tensor timesteps = at::full({2 * batch}, t, at::TensorOptions().dtype(at::kLong).device(device_));
      const auto halves =
          predict(at::cat({latents, latents}), at::cat({mask, mask}), at::cat({masked, masked}), timesteps, text)
              .chunk(2);
      output = halves[0] + options.guidance_scale * (halves[1] - halves[0]);
    } else {
      const at::Tensor timesteps = at::full({batch}, t, at::TensorOptions().dtype(at::kLong).device(device_));
      output = predict(latents, mask, masked, timesteps, text);
    }
    latents = sampler->step(output, static_cast<size_t>(k), latents);
    if (options.on_step) options.on_step(k + 1, total);
  }
  return {latents, masked};
}

}  // namespace anonymizer
