#include "diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include "diffusion/ddim.h"
#include "diffusion/dpm_solver.h"
#include "diffusion/unipc.h"
#include "engine/error.h"

namespace anonymizer {

SamplerKind parse_sampler(const std::string& name, const std::string& what) {
  if (name == "ddim") return SamplerKind::kDdim;
  if (name == "dpmpp_2m") return SamplerKind::kDpmSolver;
  if (name == "unipc") return SamplerKind::kUniPc;
  throw CodedError("ERR_INVALID_ARGUMENT", what + " must be ddim, dpmpp_2m or unipc, not '" + name + "'");
}

Spacing parse_spacing(const std::string& name, const std::string& what) {
  if (name == "leading") return Spacing::kLeading;
  if (name == "trailing") return Spacing::kTrailing;
  throw CodedError("ERR_INVALID_ARGUMENT", what + " must be leading or trailing, not '" + name + "'");
}

std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule, const StepPlan& plan,
                                      Prediction prediction) {
  if (kind == SamplerKind::kDpmSolver) return std::make_unique<DpmSolver>(schedule, plan, prediction);
  if (kind == SamplerKind::kUniPc) return std::make_unique<UniPc>(schedule, plan, prediction);
  return std::make_unique<Ddim>(schedule, plan, prediction);
}

std::vector<int64_t> StepPlan::trailing(int64_t run) const {
  std::vector<int64_t> result;
  const double train = NoiseSchedule::kTrainSteps;
  for (int64_t i = steps - run; i < steps; ++i) {
    const double place = train - static_cast<double>(i) * (train / static_cast<double>(steps));
    result.push_back(static_cast<int64_t>(std::nearbyint(place)) - 1);
  }
  return result;
}

int64_t StepPlan::checked(int64_t most) const {
  if (steps < 1 || steps > most) {
    throw CodedError("ERR_INVALID_ARGUMENT", "The number of sampling steps must be 1 … " + std::to_string(most) +
                                                 ", not " + std::to_string(steps));
  }
  if (!(strength > 0 && strength <= 1)) throw CodedError("ERR_INVALID_ARGUMENT", "The strength must be in (0, 1]");
  return std::max<int64_t>(std::min(static_cast<int64_t>(static_cast<double>(steps) * strength), steps), 1);
}

}  // namespace anonymizer
