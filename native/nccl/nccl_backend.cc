// The NCCL backend of LibTorch's CUDA part, behind one C function, so that the addon itself needs no CUDA. Opened by
// native/distributed/nccl_library.cc where several processes train on CUDA devices.
#include <cstdlib>

#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

// The result comes with one reference, which the caller owns.
extern "C" __attribute__((visibility("default"))) c10d::Backend* anonymizer_make_nccl(c10d::Store* store, int rank,
                                                                                      int world_size,
                                                                                      int64_t timeout_ms, int device) {
  // A time-out is thrown where the job thread waits, and becomes a coded error. c10d's own answer, to throw in its
  // watchdog's thread or to end the process from its monitor, would be an abort. What the user set stays.
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", /*overwrite=*/0);
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
  setenv("TORCH_NCCL_ENABLE_MONITORING", "0", /*overwrite=*/0);
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::milliseconds(timeout_ms);
  auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::intrusive_ptr<c10d::Store>::reclaim_copy(store), rank,
                                                             world_size, std::move(options));
  backend->setBoundDeviceId(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device)));
  return backend.release();
}
