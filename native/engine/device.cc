#include "engine/device.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/runtime/profiling_graph_executor_impl.h>

#include "engine/error.h"

namespace anonymizer {

c10::Device parse_device(const std::string& name) {
  c10::Device device(c10::kCPU);
  try {
    device = c10::Device(name);
  } catch (const c10::Error&) {
    throw CodedError("ERR_DEVICE", "'" + name + "' is not a device; use cpu, cuda or cuda:N");
  }
  if (device.is_cpu()) return c10::Device(c10::kCPU);
  if (!device.is_cuda())
    throw CodedError("ERR_DEVICE", "The device '" + name + "' is not supported; use cpu, cuda or cuda:N");
  const auto count = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  const int index = device.has_index() ? device.index() : 0;
  if (index >= count) {
    throw CodedError("ERR_DEVICE", "The device '" + name + "' does not exist; LibTorch sees " + std::to_string(count) +
                                       " CUDA devices");
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

std::vector<DeviceDescription> cuda_devices() {
  std::vector<DeviceDescription> result;
  if (!at::hasCUDA()) return result;
  const auto count = at::detail::getCUDAHooks().deviceCount();
  for (int index = 0; index < count; ++index) {
    double total = 0;
    try {
      total = static_cast<double>(
          at::getDeviceAllocator(c10::kCUDA)->getMemoryInfo(static_cast<c10::DeviceIndex>(index)).second);
    } catch (const std::exception&) {
      // A device that can't be asked is still listed.
    }
    result.push_back({"cuda:" + std::to_string(index), index, total});
  }
  return result;
}

void synchronize(c10::Device device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

void empty_cache(c10::Device device) {
  if (device.is_cuda() && at::hasCUDA()) at::getDeviceAllocator(c10::kCUDA)->emptyCache();
}

void configure_executor() {
  // Profiling runs make the first steps several times slower and are paid again at each mode change; the optimizer
  // pass stays on, because without it CPU autocast leaves traced convolutions in float32.
  torch::jit::getProfilingMode() = false;
  torch::jit::setTensorExprFuserEnabled(false);
}

Autocast::Autocast(c10::Device device, c10::ScalarType dtype)
    : type_(device.type()), active_(dtype != c10::ScalarType::Float) {
  if (!active_) return;
  previous_ = at::autocast::is_autocast_enabled(type_);
  previous_dtype_ = at::autocast::get_autocast_dtype(type_);
  at::autocast::set_autocast_dtype(type_, dtype);
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, previous_);
  at::autocast::set_autocast_dtype(type_, previous_dtype_);
}

AutocastState AutocastState::current(c10::DeviceType device) {
  return {device, at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
}

AutocastScope::AutocastScope(const AutocastState& state) : previous_(AutocastState::current(state.device)) {
  at::autocast::set_autocast_enabled(state.device, state.enabled);
  at::autocast::set_autocast_dtype(state.device, state.dtype);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(previous_.device, previous_.enabled);
  at::autocast::set_autocast_dtype(previous_.device, previous_.dtype);
}

AutocastCacheOff::AutocastCacheOff() : previous_(at::autocast::is_autocast_cache_enabled()) {
  at::autocast::set_autocast_cache_enabled(false);
}

AutocastCacheOff::~AutocastCacheOff() { at::autocast::set_autocast_cache_enabled(previous_); }

}  // namespace anonymizer
