#include "distributed/nccl_library.h"

#include <dlfcn.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "engine/error.h"

namespace anonymizer {

c10::intrusive_ptr<c10d::Backend> make_nccl(const std::string& library, const c10::intrusive_ptr<c10d::Store>& store,
                                            int rank, int world_size, std::chrono::milliseconds timeout,
                                            c10::Device device) {
  // Never closed: c10d's threads run in it.
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw CodedError("ERR_DISTRIBUTED", library + " can't be loaded: " + dlerror());
  // As defined in native/nccl/nccl_backend.cc. The object comes with one reference, which is taken over here.
  using Make = c10d::Backend* (*)(c10d::Store*, int, int, int64_t, int);
  const auto make = reinterpret_cast<Make>(dlsym(handle, "anonymizer_make_nccl"));
  if (make == nullptr) throw CodedError("ERR_DISTRIBUTED", library + " is not the NCCL addon of this package");
  return c10::intrusive_ptr<c10d::Backend>::reclaim(
      make(store.get(), rank, world_size, timeout.count(), device.index()));
}

}  // namespace anonymizer
