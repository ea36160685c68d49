/** Values that are fine alone and can't work together. Each message says how to mend it. */

export interface ImpossibleValue {
  readonly path: readonly string[];
  readonly message: string;
}

/** `config` may be incomplete or wrong elsewhere: what can't be judged is passed over. */
export function impossibleTrainingValues(config: unknown): ImpossibleValue[] {
  const at = (...path: string[]): unknown =>
    path.reduce<unknown>((node, key) => (node as Record<string, unknown> | null | undefined)?.[key], config);
  const number = (...path: string[]): number | undefined => {
    const value = at(...path);
    return typeof value === "number" && Number.isFinite(value) ? value : undefined;
  };
  const found: ImpossibleValue[] = [];

  const steps = number("max_train_steps");
  const warmup = number("lr_scheduler", "warmup_steps");
  const cycles = number("lr_scheduler", "cycles");
  const schedule = at("lr_scheduler", "type");
  if (steps !== undefined && warmup !== undefined && schedule !== "constant") {
    if (warmup >= steps) {
      found.push({
        path: ["lr_scheduler", "warmup_steps"],
        message: `is ${warmup}, so the warm-up outlasts the run of ${steps} steps; set it below ${steps}, raise max_train_steps, or set lr_scheduler.type to constant`,
      });
    } else if (schedule === "cosine_with_restarts" && cycles !== undefined && cycles > steps - warmup) {
      found.push({
        path: ["lr_scheduler", "cycles"],
        message: `is ${cycles}, but only ${steps - warmup} steps are left after the warm-up; set it to at most ${steps - warmup}`,
      });
    }
  }

  const adversaryFrom = number("adversarial", "start_step");
  if (steps !== undefined && adversaryFrom !== undefined && adversaryFrom >= steps) {
    found.push({
      path: ["adversarial", "start_step"],
      message: `is ${adversaryFrom}, but the run ends after ${steps} steps, so the discriminator would never take part; set it below ${steps}, or remove adversarial`,
    });
  }

  const perceptual = number("loss", "perceptual_weight");
  if (perceptual !== undefined && perceptual > 0 && at("perceptual") === undefined) {
    found.push({
      path: ["loss", "perceptual_weight"],
      message: `is ${perceptual} but there is no perceptual.path; give one, or set the weight to 0`,
    });
  }
  if (number("loss", "condition_dropout") === 1) {
    found.push({
      path: ["loss", "condition_dropout"],
      message: "is 1, so no sample would ever see its text; set it below 1 (0.1 is usual)",
    });
  }
  for (const key of ["pixel_weight", "ssim_weight"]) {
    const weight = number("loss", key) ?? 0;
    if (weight > 0 && at("cache") !== undefined) {
      found.push({
        path: ["loss", key],
        message: `is ${weight}, but a cache holds latents and no pixels; remove cache, or set the weight to 0`,
      });
    }
  }
  const [begin, end] = [number("loss", "timestep_bias", "begin"), number("loss", "timestep_bias", "end")];
  if (begin !== undefined && end !== undefined && begin >= end) {
    found.push({
      path: ["loss", "timestep_bias", "begin"],
      message: `is ${begin}, which is not below end (${end}): the range would hold no timestep`,
    });
  }
  const distorted = ["rotation", "brightness", "contrast"].some((key) => (number("augment", key) ?? 0) > 0);
  if (number("cache", "variants") === 1 && distorted) {
    found.push({
      path: ["cache", "variants"],
      message:
        "is 1 with augmentation on: every sample would be seen in one fixed distortion for the whole run; cache more variants, or set rotation, brightness and contrast of augment to 0",
    });
  }
  return found;
}
