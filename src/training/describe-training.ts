/** A dry run: what a configuration would do, without the native addon and without touching the run folder. */
import type { TrainerConfig } from "../config/training-config.ts";
import { trainerSources } from "./trainer-sources.ts";
import { planTraining, readTrainingModels, type TrainingPlan } from "./training-plan.ts";

/**
 * For `ranks` processes that train together. Reads and verifies the models, opens the dataset, and gives effective batch, epochs, parameter counts and a memory
 * estimate. Throws ERR_MODEL_*, ERR_DATASET_*, ERR_CONFIG_INVALID (sizes or names that don't fit the models), ERR_ABORTED.
 */
export async function describeTraining(config: TrainerConfig, signal?: AbortSignal, ranks = 1): Promise<TrainingPlan> {
  const models = await readTrainingModels(config, signal);
  const data = await trainerSources.openData(config, models, signal);
  return planTraining(config, models, data.samples("train"), ranks);
}
