#pragma once

#include <ATen/core/Tensor.h>

#include "bindings/napi_setup.h"

namespace anonymizer {

// A tensor owned by LibTorch, seen from JavaScript: shape, dtype, toHost().
class TensorWrap : public Napi::ObjectWrap<TensorWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TensorWrap(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;
  const at::Tensor& tensor() const { return tensor_; }

 private:
  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value to_host(const Napi::CallbackInfo& info);

  at::Tensor tensor_;
};

}  // namespace anonymizer
