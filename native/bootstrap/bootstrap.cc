// A tiny addon without LibTorch in it. It opens LibTorch's libraries in the right order before the real addon is
// loaded: the CUDA library must be in the process before LibTorch is used for the first time, else LibTorch keeps
// its stub without CUDA for good.
#include <dlfcn.h>

#include <string>

#include <napi.h>

namespace {

// open(path: string, global: boolean): undefined; throws with the dynamic loader's message.
Napi::Value Open(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  const bool global = info[1].As<Napi::Boolean>();
  if (dlopen(path.c_str(), RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL)) == nullptr) {
    const char* reason = dlerror();
    throw Napi::Error::New(info.Env(), reason ? reason : "dlopen failed");
  }
  return info.Env().Undefined();
}

// abiVersion(): bigint | undefined; what the LibTorch now in the process says of itself.
Napi::Value AbiVersion(const Napi::CallbackInfo& info) {
  using Function = uint64_t (*)();
  auto function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, "aoti_torch_abi_version"));
  if (function == nullptr) return info.Env().Undefined();
  return Napi::BigInt::New(info.Env(), function());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, Open));
  exports.Set("abiVersion", Napi::Function::New(env, AbiVersion));
  return exports;
}

}  // namespace

NODE_API_MODULE(anonymizer_bootstrap, Init)
