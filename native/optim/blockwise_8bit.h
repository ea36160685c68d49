// 8-bit storage of optimizer states: blocks of 256 values, each with its largest absolute value, and a dynamic code
// (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization"): seven decades of exponents, finer steps for
// larger values.
#pragma once

#include <ATen/core/Tensor.h>

namespace anonymizer {

class Blockwise8bit {
 public:
  static constexpr int64_t kBlock = 256;

  // signed: values in [-1, 1] of their block's maximum; unsigned: [0, 1], twice as fine.
  Blockwise8bit(at::IntArrayRef shape, bool is_signed, c10::Device device);

  // float32 of the shape.
  at::Tensor read() const;
  void write(const at::Tensor& values);

  // uint8 [blocks·256] and float32 [blocks]
  const at::Tensor& codes() const { return codes_; }
  const at::Tensor& scales() const { return scales_; }

 private:
  std::vector<int64_t> shape_;
  int64_t count_;
  // 256 code values in rising order, and the 255 borders between them.
  at::Tensor levels_, borders_;
  at::Tensor codes_, scales_;
};

// The 256 values of the dynamic code, rising, float32 on the CPU.
at::Tensor dynamic_code(bool is_signed);

}  // namespace anonymizer
