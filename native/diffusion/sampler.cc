#include "diffusion/sampler.h"

#include <algorithm>

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

std::unique_ptr<Sampler> make_sampler(SamplerKind kind, const NoiseSchedule& schedule, int64_t steps, double strength,
                                      Prediction prediction) {
  if (kind == SamplerKind::kDpmSolver) return std::make_unique<DpmSolver>(schedule, steps, strength, prediction);
  if (kind == SamplerKind::kUniPc) return std::make_unique<UniPc>(schedule, steps, strength, prediction);
  return std::make_unique<Ddim>(schedule, steps, strength, prediction);
}

int64_t checked_steps(int64_t steps, int64_t most, double strength) {
  if (steps < 1 || steps > most) {
    throw CodedError("ERR_INVALID_ARGUMENT", "The number of sampling steps must be 1 … " + std::to_string(most) +
                                                 ", not " + std::to_string(steps));
  }
  if (!(strength > 0 && strength <= 1)) throw CodedError("ERR_INVALID_ARGUMENT", "The strength must be in (0, 1]");
  return std::max<int64_t>(std::min(static_cast<int64_t>(static_cast<double>(steps) * strength), steps), 1);
}

}  // namespace anonymizer
