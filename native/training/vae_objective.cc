#include "training/vae_objective.h"

#include <sstream>

#include "engine/random.h"

namespace anonymizer {

VaeObjective::VaeObjective(const ModelFiles& vae, const ModelFiles* perceptual, PerceptualKind kind,
                           const VaeLossWeights& weights, c10::Device device)
    : weights_(weights) {
  vae_ = ScriptModule::load(vae, device);
  vae_.require_method("encode");
  vae_.require_method("decode");
  if (perceptual != nullptr && weights.perceptual_weight > 0) perceptual_ = Perceptual::load(*perceptual, device, kind);
}

Loss VaeObjective::loss(const PreparedBatch& batch, const StepContext& context) {
  const Posterior posterior = Posterior::from_moments(vae_.run("encode", {batch.images}));
  const at::Tensor noise = batch_noise(batch.posterior_noise, batch, context,
                                       static_cast<uint64_t>(Purpose::kPosterior), posterior.mean.sizes());
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
  Loss result{value.total, {{"recon", value.recon, 1.0}, {"kl", value.kl, weights_.kl_weight}}};
  if (value.perceptual.defined()) result.terms.push_back({"perceptual", value.perceptual, weights_.perceptual_weight});
  return result;
}

at::Tensor VaeObjective::preview(const PreparedBatch& batch, int64_t, const StepContext&, const AbortFlag& abort) {
  const Posterior posterior = Posterior::from_moments(vae_.run("encode", {batch.images}));
  abort.check();
  return vae_.run("decode", {posterior.mean});
}

}  // namespace anonymizer
