/** Sizes, time-outs and names on Modal. The deployed app (modal/app.py) reads the same file. */
import settings from "../../../modal/settings.json" with { type: "json" };

export const modalSettings = settings;

export type TrainingKind = keyof typeof settings.training;
