/** A training plan for people. */
import { stringify } from "yaml";
import { formatBytes, type TrainerConfig, type TrainingPlan } from "../../index.ts";
import { table } from "../terminal.ts";

const count = (value: number): string => value.toLocaleString("en");

/** The lines that every run starts with. */
export function planSummary(plan: TrainingPlan): string {
  const { parameters: p } = plan;
  return table([
    ["run", `${plan.name} (${plan.kind}, preset ${plan.preset})`],
    [
      "effective batch",
      `${count(plan.effectiveBatch)} = ${plan.microBatch} × ${plan.accumulation} accumulated × ${plan.ranks} rank${plan.ranks === 1 ? "" : "s"}`,
    ],
    [
      "steps",
      `${count(plan.steps)} optimizer steps, ${plan.epochs.toPrecision(3)} epochs of ${count(plan.samplesPerEpoch)} samples`,
    ],
    [
      "parameters",
      `${count(p.trainable)} trained, ${count(p.frozen)} frozen, ${count(plan.helperParameters)} in networks that are only run`,
    ],
    ...(plan.adapter === undefined ? [] : [["adapter", adapterText(plan.adapter)]]),
    ...(plan.perceptual === undefined ? [] : [["perceptual", plan.perceptual]]),
  ]);
}

const adapterText = ({ description, targets, quantizedBase }: NonNullable<TrainingPlan["adapter"]>): string =>
  `${description}: ${targets.join(", ")}${quantizedBase ? "; the model below in 8 bits" : ""}`;

export function memorySummary(plan: TrainingPlan): string {
  const { memory } = plan;
  return table([
    ["weights", formatBytes(memory.weights)],
    ["gradients", formatBytes(memory.gradients)],
    ["AdamW", formatBytes(memory.optimizer)],
    ["EMA", formatBytes(memory.ema)],
    ["activations", `${formatBytes(memory.activations)}  a rough guess, right within a factor of about two`],
    ["Node, LibTorch", formatBytes(memory.runtime)],
    ["total", formatBytes(memory.total)],
  ]);
}

/** What `--dry-run` prints. */
export function dryRunText(config: TrainerConfig, outputDir: string, plan: TrainingPlan): string {
  return [
    stringify(config).trimEnd(),
    "",
    planSummary(plan),
    table([["run folder", outputDir]]),
    "",
    "memory estimate",
    memorySummary(plan),
    "",
  ].join("\n");
}
