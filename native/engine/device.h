// Devices and precision. Nothing outside engine/ asks which device it runs on.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <vector>

namespace anonymizer {

struct DeviceDescription {
  std::string name;
  int index;
  double total_bytes;
};

// "cpu", "cuda" or "cuda:N"; ERR_DEVICE when there is none such.
c10::Device parse_device(const std::string& name);
std::vector<DeviceDescription> cuda_devices();

// Blocks until everything queued on the device is done (nothing to wait for on the CPU).
void synchronize(c10::Device device);
// Gives cached blocks back to the device.
void empty_cache(c10::Device device);

// Process-wide settings of the TorchScript executor; called once when the addon is loaded.
void configure_executor();

// Autocast to a lower precision for the current scope and thread; the cast cache is emptied at the end.
class Autocast {
 public:
  // float32 = off.
  Autocast(c10::Device device, c10::ScalarType dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType type_;
  bool active_;
  bool previous_ = false;
  c10::ScalarType previous_dtype_ = c10::ScalarType::Float;
};

// What autocast does on this thread, to be set again on another one or later.
struct AutocastState {
  c10::DeviceType device;
  bool enabled;
  c10::ScalarType dtype;
  static AutocastState current(c10::DeviceType device);
};

class AutocastScope {
 public:
  explicit AutocastScope(const AutocastState& state);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  AutocastState previous_;
};

// Lower-precision copies of weights are not kept for later calls.
class AutocastCacheOff {
 public:
  AutocastCacheOff();
  ~AutocastCacheOff();
  AutocastCacheOff(const AutocastCacheOff&) = delete;
  AutocastCacheOff& operator=(const AutocastCacheOff&) = delete;

 private:
  bool previous_;
};

}  // namespace anonymizer
