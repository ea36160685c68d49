/** Where a trainer's native side and its data come from. */
import { loadNative } from "../addon/binding.ts";
import { openTrainingData } from "./dataset-source.ts";
import type { TrainerSources } from "./trainer.ts";

export const trainerSources: TrainerSources = { loadNative, openData: openTrainingData };
