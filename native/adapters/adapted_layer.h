// A Linear or Conv2d of a loaded graph whose weight is W + Σ weight·scale·B·A (Hu et al. 2021, "LoRA").
//
// The layer's own operator in the graph is replaced by one that asks this object for its weight. So no adapted weight
// is kept between forward and backward, the gradients of A and B are computed through their low rank instead of through
// a gradient of W, and W may be stored in 8 bits.
#pragma once

#include <torch/custom_class.h>

#include <string>
#include <vector>

#include "adapters/quantized_weight.h"
#include "engine/script_module.h"

namespace anonymizer {

struct LowRank {
  at::Tensor a;      // [r, in] or [r, in, k, k]
  at::Tensor b;      // [out, r] or [out, r, 1, 1]
  double scale = 1;  // α/r, or α/√r with rank-stabilised LoRA
  double weight = 1;
  bool defined() const { return a.defined(); }
};

class AdaptedLayer : public torch::CustomClassHolder {
 public:
  // float32 [out, in] or [out, in, k, k]; shares the module's own memory.
  explicit AdaptedLayer(at::Tensor base) : base_(std::move(base)) {}

  // Throws ERR_ADAPTER (naming `what`) unless A and B have this layer's shapes.
  void check(const LowRank& pair, const std::string& what) const;
  // The pair that gets gradients; at most one.
  void train(LowRank pair) { trained_ = std::move(pair); }
  // A pair that is only applied. Returns its number.
  size_t apply(LowRank pair);
  void set_weight(size_t number, double weight) { applied_.at(number).weight = weight; }

  // The base becomes 8-bit; the module's float32 memory is freed.
  void quantize();
  // Bytes of the 8-bit weight; 0 for a float32 one.
  int64_t quantized_bytes() const;
  // Computes the adapted weight once. The base is kept, so unmerge() gives it back bit for bit.
  void merge();
  void unmerge() { merged_.reset(); }

  // float32, without gradient. Where nothing changes it, the base itself.
  at::Tensor weight() const;
  const LowRank& trained() const { return trained_; }
  // Whether a backward pass must not keep what weight() gives.
  bool transient() const { return trained_.defined() || quantized_.defined(); }

 private:
  at::Tensor base_;
  QuantizedWeight quantized_;
  LowRank trained_;
  std::vector<LowRank> applied_;
  at::Tensor merged_;
};

using AdaptedLayerRef = c10::intrusive_ptr<AdaptedLayer>;

// Names of the Linear and Conv2d layers of `module` that can be adapted, sorted. Grouped and transposed convolutions
// can't.
std::vector<std::string> adaptable_layers(const ScriptModule& module);

// Makes the layer `name` of `module` an adapted one (or finds that it is one). Must come before the module's first run:
// the executor keeps the graph it ran first. ERR_ADAPTER when there is no such layer or it can't be adapted.
AdaptedLayerRef adapt_layer(const ScriptModule& module, const std::string& name);

}  // namespace anonymizer
