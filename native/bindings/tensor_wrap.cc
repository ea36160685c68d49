#include "bindings/tensor_wrap.h"

#include "bindings/convert.h"
#include "bindings/failure.h"

namespace anonymizer {

Napi::Function TensorWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeTensor",
                     {InstanceAccessor<&TensorWrap::shape>("shape"), InstanceAccessor<&TensorWrap::dtype>("dtype"),
                      InstanceMethod<&TensorWrap::to_host>("toHost")});
}

TensorWrap::TensorWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TensorWrap>(info) {
  guarded(info.Env(), [&] { tensor_ = tensor_from_host(info[0], "tensor"); });
  // The garbage collector must know how much hangs on this small object.
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), static_cast<int64_t>(tensor_.nbytes()));
}

void TensorWrap::Finalize(Napi::Env env) {
  if (tensor_.defined()) Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<int64_t>(tensor_.nbytes()));
}

Napi::Value TensorWrap::shape(const Napi::CallbackInfo& info) { return to_host(info).As<Napi::Object>().Get("shape"); }

Napi::Value TensorWrap::dtype(const Napi::CallbackInfo& info) { return to_host(info).As<Napi::Object>().Get("dtype"); }

Napi::Value TensorWrap::to_host(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return host_from_tensor(info.Env(), tensor_); });
}

}  // namespace anonymizer
