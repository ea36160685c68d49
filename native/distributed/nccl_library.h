// NCCL, where a CUDA LibTorch is: it lives in a library of its own (native/nccl), because only LibTorch's CUDA part has
// it and this addon must load without.
#pragma once

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <string>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace anonymizer {

// Opens the library (again: nothing happens) and makes the backend of one device. ERR_DISTRIBUTED.
c10::intrusive_ptr<c10d::Backend> make_nccl(const std::string& library, const c10::intrusive_ptr<c10d::Store>& store,
                                            int rank, int world_size, std::chrono::milliseconds timeout,
                                            c10::Device device);

}  // namespace anonymizer
