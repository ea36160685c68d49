#include "optim/loss_scale.h"

#include <ATen/Functions.h>
#include <ATen/ops/_amp_update_scale.h>

namespace anonymizer {

LossScale::LossScale(c10::Device device)
    : scale_(at::full({}, kInitial, at::TensorOptions().dtype(at::kFloat)).to(device)),
      growth_(at::zeros({}, at::TensorOptions().dtype(at::kInt)).to(device)) {}

void LossScale::update(const at::Tensor& bad) {
  at::_amp_update_scale_(scale_, growth_, bad, kGrowth, kBackoff, kGrowthInterval);
}

std::vector<std::pair<std::string, at::Tensor>> LossScale::state() const {
  return {{"loss_scale", scale_}, {"loss_scale_growth", growth_}};
}

}  // namespace anonymizer
