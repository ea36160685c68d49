#include "optim/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace anonymizer {

double learning_rate_factor(const ScheduleOptions& options, int64_t step) {
  if (options.type == "constant") return 1.0;
  if (step < options.warmup_steps)
    return static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, options.warmup_steps));
  if (options.type == "constant_with_warmup") return 1.0;
  const double span = static_cast<double>(std::max<int64_t>(1, options.total_steps - options.warmup_steps));
  if (options.type == "linear") return std::max(0.0, static_cast<double>(options.total_steps - step) / span);
  const double progress = static_cast<double>(step - options.warmup_steps) / span;
  if (options.type == "cosine") return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
  if (options.type == "cosine_with_restarts") {
    if (progress >= 1.0) return 0.0;
    return std::max(
        0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * std::fmod(static_cast<double>(options.cycles) * progress, 1.0))));
  }
  throw CodedError("ERR_INVALID_ARGUMENT", "'" + options.type + "' is not a learning-rate schedule");
}

}  // namespace anonymizer
