// Random numbers that depend on what they are for and on nothing else: a value is a function of
// (seed, global step, rank, sample id, purpose), so that a resumed run draws exactly what the unbroken one drew.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace anonymizer {

enum class Purpose : uint64_t {
  kPosterior = 1,
  kNoise = 2,
  kTimestep = 3,
  kConditionDropout = 4,
  kFullMask = 5,
  kRotation = 6,
  kBrightness = 7,
  kContrast = 8,
  kInitialisation = 9,
  kDiscriminator = 10,
  kOffsetNoise = 11,
  kInputPerturbation = 12,
};

// Mixes by splitmix64's finaliser (Steele, Lea, Flood 2014).
uint64_t mix(uint64_t value);

struct SampleSeed {
  uint64_t seed;
  uint64_t step;
  uint64_t rank;
  uint64_t sample;
  uint64_t hash(Purpose purpose) const;
  // Uniform in [0, 1).
  double uniform(Purpose purpose) const;
  // Standard normal float32 on the CPU, the same for every device.
  at::Tensor normal(Purpose purpose, at::IntArrayRef shape) const;
};

// Standard normal float32 on the CPU from a plain seed.
at::Tensor normal_from_seed(uint64_t seed, at::IntArrayRef shape);

}  // namespace anonymizer
