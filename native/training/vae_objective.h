#pragma once

#include "losses/perceptual.h"
#include "losses/vae_loss.h"
#include "training/objective.h"

namespace anonymizer {

class VaeObjective : public Objective {
 public:
  VaeObjective(const ModelFiles& vae, const ModelFiles* perceptual, PerceptualKind kind, const VaeLossWeights& weights,
               c10::Device device);
  std::vector<NamedTensor> parameters() const override { return vae_.parameters(); }
  std::vector<StatePart> state() const override { return {{"model.safetensors", vae_.state()}}; }
  // terms: recon, kl, perceptual
  Loss loss(const PreparedBatch& batch, const StepContext& context) override;
  // Reconstruction of the posterior's mean.
  at::Tensor preview(const PreparedBatch& batch, int64_t steps, const StepContext& context,
                     const AbortFlag& abort) override;

 private:
  ScriptModule vae_;
  Perceptual perceptual_;
  VaeLossWeights weights_;
};

}  // namespace anonymizer
