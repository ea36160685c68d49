// Learning-rate schedules with diffusers' formulas (diffusers/optimization.py). They count optimizer steps.
#pragma once

#include <cstdint>
#include <string>

namespace anonymizer {

struct ScheduleOptions {
  std::string type = "constant";  // constant, constant_with_warmup, linear, cosine, cosine_with_restarts
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
  int64_t cycles = 1;
};

// Factor of the base learning rate at optimizer step `step` (0-based). Warm-up: step/W (so 0 at the first step).
double learning_rate_factor(const ScheduleOptions& options, int64_t step);

}  // namespace anonymizer
