#pragma once

#include <optional>

#include "adapters/lora.h"
#include "losses/discriminator.h"
#include "losses/perceptual.h"
#include "losses/vae_loss.h"
#include "training/objective.h"

namespace anonymizer {

// A discriminator that the decoder has to deceive (hinge loss), as in latent-diffusion.
struct AdversarialOptions {
  // Optimizer step from which both learn; before it the autoencoder learns alone.
  int64_t start_step = 50001;
  double weight = 0.5;
  int64_t channels = 64;
  int64_t layers = 3;
  AdamWOptions optimizer;
};

class VaeObjective : public Objective {
 public:
  // With `lora`, adapters are trained in place of the weights.
  VaeObjective(const ModelFiles& vae, const ModelFiles* perceptual, PerceptualKind kind, const VaeLossWeights& weights,
               const std::optional<AdversarialOptions>& adversarial, uint64_t seed, c10::Device device,
               const std::optional<LoraOptions>& lora = {});
  std::vector<NamedTensor> parameters() const override { return lora_ ? lora_->parameters() : vae_.parameters(); }
  std::vector<StatePart> state() const override;
  std::vector<NamedTensor> adapted_base() const override;
  int64_t adapted_base_bytes() const override;
  AdamW* discriminator_optimizer() override { return adversary_ ? &adversary_->optimizer : nullptr; }
  // terms: recon, kl, perceptual; with an adversary also generator (times its adaptive weight)
  Loss loss(const PreparedBatch& batch, const StepContext& context) override;
  // Reconstruction of the posterior's mean.
  at::Tensor preview(const PreparedBatch& batch, int64_t steps, const StepContext& context,
                     const AbortFlag& abort) override;
  LatentSums latent_sums(const PreparedBatch& batch) override;

 private:
  struct Adversary {
    AdversarialOptions options;
    Discriminator discriminator;
    AdamW optimizer;
  };

  void add_adversary(Loss& loss, const at::Tensor& rated, const at::Tensor& reconstruction, const at::Tensor& images);

  ScriptModule vae_;
  std::optional<Adversary> adversary_;
  std::optional<Lora> lora_;
  Perceptual perceptual_;
  VaeLossWeights weights_;
};

}  // namespace anonymizer
