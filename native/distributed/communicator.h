// The processes that train together ("ranks") over LibTorch's c10d: a store where they meet, Gloo for tensors on the
// CPU, NCCL for tensors on CUDA devices.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/abort_flag.h"

namespace c10d {
class ProcessGroup;
class Store;
class Work;
}  // namespace c10d

namespace anonymizer {

struct CommunicatorOptions {
  int rank = 0;
  int world_size = 1;
  std::string master_address;
  int master_port = 0;
  // The launcher hosts the store; else rank 0 does.
  bool agent_store = false;
  // Keeps the keys of a restarted run apart from those of the run before.
  std::string key_prefix;
  // Of every exchange, and of waiting for the others at the start.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
  // All ranks are on this machine: nothing listens on the network.
  bool loopback = false;
  // Network interface of Gloo's connections; "" = the one of the host's own name.
  std::string network_interface;
  // What all ranks must have in common; a hash.
  std::string fingerprint;
  c10::Device device = c10::Device(c10::kCPU);
  // Path of the NCCL addon; "" = tensors on the CPU only.
  std::string nccl_library;
};

// All calls come from one thread, in the same order on every rank. A rank that is gone, or that does not come along
// within the time-out, is ERR_DISTRIBUTED; after that every call fails at once and the group can only be destroyed.
// Waiting ends early with ERR_ABORTED when the flag is raised.
class Communicator {
 public:
  // Waits until all ranks are there. The abort flag must outlive the communicator.
  Communicator(const CommunicatorOptions& options, const AbortFlag& abort);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return options_.rank; }
  int world_size() const { return options_.world_size; }

  // Adds up over all ranks, in place; the result has the same bits on every rank.
  void all_reduce(at::Tensor values, const char* what);
  // Copies rank 0's values to all ranks, in place.
  void broadcast(const std::vector<at::Tensor>& tensors, const char* what);
  // Every rank's `own`, [n], one after the other in `all`, [world_size · n].
  void all_gather(at::Tensor all, const at::Tensor& own, const char* what);
  // The same on rank 0; undefined elsewhere.
  at::Tensor gather(const at::Tensor& own, const char* what);

  const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const { return group_; }
  // Waits for a piece of work; raises ERR_DISTRIBUTED for its failure.
  void wait(const c10::intrusive_ptr<c10d::Work>& work, const char* what);
  // ERR_DISTRIBUTED for an exception that came out of c10d.
  [[noreturn]] void fail(const std::string& what, const std::string& reason) const;
  // Runs something that only c10d throws from.
  template <typename Function>
  void guarded(const char* what, Function&& function) const {
    try {
      function();
    } catch (const CodedError&) {
      throw;
    } catch (const std::exception& error) {
      fail(what, error.what());
    }
  }

 private:
  c10::intrusive_ptr<c10d::Store> meet();
  void check_fingerprints(c10d::Store& store) const;

  CommunicatorOptions options_;
  const AbortFlag& abort_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
};

}  // namespace anonymizer
