#include "training/unet_objective.h"

#include <algorithm>

#include "engine/random.h"
#include "losses/pixel_losses.h"

namespace anonymizer {
namespace {

std::vector<NamedTensor> with_prefix(const std::string& prefix, const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> result;
  for (const auto& [name, tensor] : tensors) result.emplace_back(prefix + name, tensor);
  return result;
}

void require_inputs(const PreparedBatch& batch) {
  const bool pixels = batch.images.defined() && batch.masks.defined() && batch.glyphs.defined();
  const bool cached = batch.cached.defined() && (batch.cached.glyphs.defined() || batch.glyphs.defined());
  if (!pixels && !cached) {
    throw CodedError("ERR_INVALID_ARGUMENT", "A batch for the UNet needs masks and glyphs");
  }
}

}  // namespace

int64_t TimestepBias::at(double place) const {
  const auto steps = static_cast<double>(NoiseSchedule::kTrainSteps);
  const auto from = static_cast<double>(begin);
  const auto to = static_cast<double>(end);
  const double heavy = (to - from) * multiplier;
  double x = place * (steps - (to - from) + heavy);
  if (x >= from) x = x < from + heavy ? from + (x - from) / multiplier : to + (x - from - heavy);
  return std::min(static_cast<int64_t>(x), NoiseSchedule::kTrainSteps - 1);
}

UnetObjective::UnetObjective(const UnetObjectiveOptions& options, uint64_t seed, c10::Device device)
    : options_(options), device_(device), model_(options.model, seed, device) {
  if (options.lora) lora_.emplace(model_.unet(), *options.lora, seed);
}

std::vector<NamedTensor> UnetObjective::parameters() const {
  if (lora_) return lora_->parameters();
  std::vector<NamedTensor> result = model_.unet().parameters();
  auto append = [&](const std::vector<NamedTensor>& more) { result.insert(result.end(), more.begin(), more.end()); };
  if (model_.text_projection()) append(model_.text_projection()->named("text_projection."));
  if (options_.train_glyph_encoder) append(with_prefix("glyph_encoder.", model_.glyph_encoder().parameters()));
  return result;
}

std::vector<StatePart> UnetObjective::state() const {
  if (lora_) return {{kAdapterFile, lora_->peft_state()}};
  std::vector<StatePart> result{{"model.safetensors", model_.unet().state()}};
  if (model_.text_projection()) result.push_back({"text_projection.safetensors", model_.text_projection()->named("")});
  if (options_.train_glyph_encoder) result.push_back({"glyph_encoder.safetensors", model_.glyph_encoder().state()});
  return result;
}

std::vector<NamedTensor> UnetObjective::adapted_base() const {
  return lora_ ? model_.unet().parameters() : std::vector<NamedTensor>{};
}

int64_t UnetObjective::adapted_base_bytes() const {
  return lora_ ? state_bytes(model_.unet()) + lora_->quantized_bytes() : 0;
}

Loss UnetObjective::loss(const PreparedBatch& batch, const StepContext& context) {
  require_inputs(batch);
  const auto device = batch.device;
  const auto size = static_cast<int64_t>(batch.ids.size());
  auto seeded = [&](int64_t i) {
    return SampleSeed{context.seed, context.step, context.rank, batch.ids[static_cast<size_t>(i)]};
  };

  at::Tensor keep_condition = at::ones({size, 1, 1}, at::TensorOptions().dtype(at::kFloat));
  at::Tensor timesteps = at::empty({size}, at::TensorOptions().dtype(at::kLong));
  at::Tensor full = at::zeros({size, 1, 1, 1}, at::TensorOptions().dtype(at::kFloat));
  for (int64_t i = 0; i < size; ++i) {
    timesteps.data_ptr<int64_t>()[i] = options_.timesteps.at(seeded(i).uniform(Purpose::kTimestep));
    if (seeded(i).uniform(Purpose::kConditionDropout) < options_.condition_dropout)
      keep_condition.data_ptr<float>()[i] = 0;
    if (seeded(i).uniform(Purpose::kFullMask) < options_.full_mask_share) full.data_ptr<float>()[i] = 1;
  }
  const bool any_full = full.any().item<bool>();
  full = full.to(device);
  timesteps = batch.timesteps.defined() ? batch.timesteps : timesteps.to(device);

  at::Tensor latents, masked, latent_mask, masks, drafts;
  {
    torch::NoGradGuard no_grad;
    const bool cached = batch.cached.defined();
    const Posterior posterior =
        cached ? Posterior{batch.cached.mean, batch.cached.logvar} : model_.encode(batch.images);
    const at::Tensor drawn =
        batch_noise(batch.posterior_noise, batch, context, Purpose::kPosterior, posterior.mean.sizes());
    latents = posterior.sample(drawn) * options_.model.scaling_factor;
    if (cached) {
      masked = batch.cached.masked * options_.model.scaling_factor;
      if (any_full) masked = at::where(full > 0, blank_latents(batch), masked);
      latent_mask = at::maximum(batch.cached.mask.to(at::kFloat), full);
    } else {
      masks = at::maximum(batch.masks, full);
      // A sample with everything masked goes without its draft.
      drafts = batch.drafts.defined() ? batch.drafts * (1 - full) : batch.drafts;
      masked = model_.masked_latents(batch.images, masks, drafts);
      latent_mask = mask_to_latents(masks, latents.size(2), latents.size(3));
    }
  }
  at::Tensor noise = batch_noise(batch.noise, batch, context, Purpose::kNoise, latents.sizes());
  if (options_.offset_noise > 0) {
    noise = noise + options_.offset_noise * batch_noise(batch.offset_noise, batch, context, Purpose::kOffsetNoise,
                                                        {size, latents.size(1), 1, 1});
  }
  at::Tensor input_noise = noise;
  if (options_.input_perturbation > 0) {
    input_noise = noise + options_.input_perturbation * batch_noise(batch.perturbation, batch, context,
                                                                    Purpose::kInputPerturbation, latents.sizes());
  }
  const at::Tensor states = batch.cached.glyphs.defined() ? batch.cached.glyphs : model_.glyph_states(batch.glyphs);
  const at::Tensor condition = model_.project(states) * keep_condition.to(device);
  const at::Tensor noisy = model_.schedule().add_noise(latents, input_noise, timesteps);
  const at::Tensor prediction = model_.predict(noisy, latent_mask, masked, timesteps, condition);
  const at::Tensor value =
      denoising_loss(prediction, latents, noise, timesteps, latent_mask, model_.schedule(), options_.loss);
  Loss result{value, {{"denoising", value, 1.0}}, {}};
  // Validation, which takes no gradients, counts them from the beginning.
  const bool started =
      static_cast<int64_t>(context.step) >= options_.pixel_start_step || !torch::GradMode::is_enabled();
  if (started && (options_.pixel_weight > 0 || options_.ssim_weight > 0)) {
    require_images(batch);
    const at::Tensor original = model_.schedule().original(noisy, prediction, timesteps, options_.loss.prediction);
    add_pixel_terms(result, {original, masked}, {batch.images, masks, drafts, {}});
  }
  return result;
}

void UnetObjective::add_pixel_terms(Loss& loss, const SampledLatents& predicted, const SamplingInputs& inputs) {
  const at::Tensor painted = model_.decode_sampled(predicted, inputs);
  auto add = [&](const char* name, double weight, auto term) {
    if (weight == 0) return;
    loss.terms.push_back({name, term(painted, inputs.images, inputs.masks), weight});
    loss.total = loss.total + weight * loss.terms.back().value;
  };
  add("pixel", options_.pixel_weight, pixel_l1);
  add("ssim", options_.ssim_weight, pixel_dssim);
}

at::Tensor UnetObjective::preview(const PreparedBatch& batch, int64_t steps, const StepContext& context,
                                  const AbortFlag& abort) {
  require_inputs(batch);
  require_images(batch);
  SamplingOptions options;
  options.plan.steps = steps;
  // Few steps are to show the same as many; models that take drafts are used so too.
  if (options_.model.masked_fill == MaskedFill::kDraft) options.plan.spacing = Spacing::kTrailing;
  auto noise = [&](at::IntArrayRef shape) { return batch_noise(batch.noise, batch, context, Purpose::kNoise, shape); };
  const SamplingInputs inputs{batch.images, batch.masks, batch.drafts, batch.glyphs};
  return model_.decode_sampled(model_.sample(inputs, noise, options, abort), inputs);
}

}  // namespace anonymizer
