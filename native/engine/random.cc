#include "engine/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>

namespace anonymizer {

uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15ull;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

uint64_t SampleSeed::hash(Purpose purpose) const {
  uint64_t h = mix(seed);
  for (uint64_t part : {step, rank, sample, static_cast<uint64_t>(purpose)}) h = mix(h ^ part);
  return h;
}

double SampleSeed::uniform(Purpose purpose) const { return static_cast<double>(hash(purpose) >> 11) * 0x1.0p-53; }

at::Tensor SampleSeed::normal(Purpose purpose, at::IntArrayRef shape) const {
  return normal_from_seed(hash(purpose), shape);
}

at::Tensor normal_from_seed(uint64_t seed, at::IntArrayRef shape) {
  return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::TensorOptions().dtype(at::kFloat));
}

}  // namespace anonymizer
