#include "optim/blockwise_8bit.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace anonymizer {

at::Tensor dynamic_code(bool is_signed) {
  // An exponent of i decades below 1 leaves the bits after it for a linear fraction in (0.1, 1].
  constexpr int kExponents = 7;
  std::vector<double> values{0.0, 1.0};
  for (int i = 0; i < kExponents; ++i) {
    const int64_t intervals = (int64_t{1} << (is_signed ? i : i + 1));
    const double decade = std::pow(10.0, i - (kExponents - 1));
    for (int64_t k = 0; k < intervals; ++k) {
      const double low = 0.1 + 0.9 * static_cast<double>(k) / static_cast<double>(intervals);
      const double high = 0.1 + 0.9 * static_cast<double>(k + 1) / static_cast<double>(intervals);
      const double value = decade * (low + high) / 2;
      values.push_back(value);
      if (is_signed) values.push_back(-value);
    }
  }
  std::sort(values.begin(), values.end());
  return at::tensor(std::vector<float>(values.begin(), values.end()), at::TensorOptions().dtype(at::kFloat));
}

Blockwise8bit::Blockwise8bit(at::IntArrayRef shape, bool is_signed, c10::Device device) : shape_(shape.vec()) {
  count_ = 1;
  for (const int64_t extent : shape_) count_ *= extent;
  const int64_t blocks = (count_ + kBlock - 1) / kBlock;
  const at::Tensor levels = dynamic_code(is_signed);
  const auto last = levels.size(0) - 1;
  borders_ = ((levels.narrow(0, 0, last) + levels.narrow(0, 1, last)) / 2).to(device);
  levels_ = levels.to(device);
  codes_ = at::empty({blocks * kBlock}, at::TensorOptions().dtype(at::kByte).device(device));
  scales_ = at::zeros({blocks}, at::TensorOptions().dtype(at::kFloat).device(device));
  write(at::zeros(shape_, at::TensorOptions().dtype(at::kFloat).device(device)));
}

at::Tensor Blockwise8bit::read() const {
  const at::Tensor values = levels_.index_select(0, codes_.to(at::kInt)).view({-1, kBlock}) * scales_.unsqueeze(1);
  return values.view({-1}).narrow(0, 0, count_).view(shape_);
}

void Blockwise8bit::write(const at::Tensor& values) {
  at::Tensor flat = values.reshape({-1});
  const int64_t padding = codes_.size(0) - count_;
  if (padding > 0) flat = at::constant_pad_nd(flat, {0, padding});
  const at::Tensor blocks = flat.view({-1, kBlock});
  scales_.copy_(blocks.abs().amax(1));
  const at::Tensor unit = blocks / scales_.clamp_min(1e-38).unsqueeze(1);
  codes_.copy_(at::bucketize(unit.view({-1}), borders_, /*out_int32=*/true));
}

}  // namespace anonymizer
