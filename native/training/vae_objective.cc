#include "training/vae_objective.h"

#include <sstream>

#include "engine/random.h"

namespace anonymizer {

VaeObjective::VaeObjective(const ModelFiles& vae, const ModelFiles* perceptual, PerceptualKind kind,
                           const VaeLossWeights& weights, const std::optional<AdversarialOptions>& adversarial,
                           uint64_t seed, c10::Device device, const std::optional<LoraOptions>& lora)
    : weights_(weights) {
  vae_ = ScriptModule::load(vae, device);
  vae_.require_method("encode");
  vae_.require_method("decode");
  // The adversary's weight is balanced by the gradient of the last layer, which adapters leave without one.
  if (lora && adversarial) throw CodedError("ERR_INVALID_ARGUMENT", "lora and an adversarial loss exclude each other");
  if (lora) lora_.emplace(vae_, *lora, seed);
  if (perceptual != nullptr && weights.perceptual_weight > 0) perceptual_ = Perceptual::load(*perceptual, device, kind);
  if (adversarial) {
    const Discriminator discriminator(adversarial->channels, adversarial->layers, seed, device);
    adversary_.emplace(
        Adversary{*adversarial, discriminator, AdamW(discriminator.parameters(), adversarial->optimizer)});
  }
}

std::vector<StatePart> VaeObjective::state() const {
  if (lora_) return {{kAdapterFile, lora_->peft_state()}};
  std::vector<StatePart> parts{{"model.safetensors", vae_.state()}};
  if (adversary_) {
    parts.push_back({"discriminator.safetensors", adversary_->discriminator.parameters()});
    parts.push_back({"discriminator_optimizer.safetensors", adversary_->optimizer.state()});
  }
  return parts;
}

std::vector<NamedTensor> VaeObjective::adapted_base() const {
  return lora_ ? vae_.parameters() : std::vector<NamedTensor>{};
}

int64_t VaeObjective::adapted_base_bytes() const { return lora_ ? state_bytes(vae_) + lora_->quantized_bytes() : 0; }

Loss VaeObjective::loss(const PreparedBatch& batch, const StepContext& context) {
  require_images(batch);
  const Posterior posterior = Posterior::from_moments(vae_.run("encode", {batch.images}));
  const at::Tensor noise =
      batch_noise(batch.posterior_noise, batch, context, Purpose::kPosterior, posterior.mean.sizes());
  const at::Tensor reconstruction = vae_.run("decode", {posterior.sample(noise)});
  if (reconstruction.sizes() != batch.images.sizes()) {
    std::ostringstream message;
    message << "The VAE turns images of " << batch.images.sizes() << " into " << reconstruction.sizes()
            << "; height and width must be multiples of its downsampling factor";
    throw CodedError("ERR_MODEL_SHAPE", message.str());
  }
  at::Tensor perceptual;
  if (perceptual_.loaded()) perceptual = perceptual_.distance(reconstruction, batch.images);
  const VaeLoss value = vae_loss(reconstruction, batch.images, posterior, perceptual, weights_);
  Loss result{value.total, {{"recon", value.recon, 1.0}, {"kl", value.kl, weights_.kl_weight}}, {}};
  if (value.perceptual.defined()) result.terms.push_back({"perceptual", value.perceptual, weights_.perceptual_weight});
  // Validation measures the autoencoder alone.
  if (adversary_ && at::GradMode::is_enabled() &&
      static_cast<int64_t>(context.step) >= adversary_->options.start_step) {
    at::Tensor rated = value.recon;
    if (value.perceptual.defined()) rated = rated + weights_.perceptual_weight * value.perceptual;
    add_adversary(result, rated, reconstruction, batch.images);
  }
  return result;
}

// `rated`: what the reconstruction is rated by without the adversary.
void VaeObjective::add_adversary(Loss& loss, const at::Tensor& rated, const at::Tensor& reconstruction,
                                 const at::Tensor& images) {
  const Discriminator& discriminator = adversary_->discriminator;
  const at::Tensor generator = hinge_generator_loss(discriminator.forward(reconstruction, /*frozen=*/true));
  const at::Tensor balance = adaptive_weight(rated, generator, vae_.parameter("decoder.conv_out.weight"));
  loss.terms.push_back({"generator", balance * generator, adversary_->options.weight});
  loss.total = loss.total + adversary_->options.weight * loss.terms.back().value;
  loss.discriminator = hinge_discriminator_loss(discriminator.forward(images, false),
                                                discriminator.forward(reconstruction.detach(), false));
}

at::Tensor VaeObjective::preview(const PreparedBatch& batch, int64_t, const StepContext&, const AbortFlag& abort) {
  require_images(batch);
  const Posterior posterior = Posterior::from_moments(vae_.run("encode", {batch.images}));
  abort.check();
  return vae_.run("decode", {posterior.mean});
}

LatentSums VaeObjective::latent_sums(const PreparedBatch& batch) {
  const Posterior posterior = Posterior::from_moments(vae_.run("encode", {batch.images}));
  const at::Tensor mean = posterior.mean.to(at::kDouble);
  return {static_cast<double>(mean.numel()), mean.sum().item<double>(), mean.square().sum().item<double>(),
          posterior.logvar.to(at::kDouble).exp().sum().item<double>()};
}

}  // namespace anonymizer
