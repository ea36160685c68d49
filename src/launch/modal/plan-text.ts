/** A launch on Modal for people. */
import { stringify } from "yaml";
import type { ModalPlan } from "./plan.ts";
import { modalSettings } from "./settings.ts";

const dollars = (value: number): string => (Number.isNaN(value) ? "unknown (no price)" : `${value.toFixed(2)} USD`);

/** For people: everything that would run, and what it would cost. */
export function planText(plan: ModalPlan): string {
  const { gpu, cost } = plan;
  const hours = (seconds: number): string => `${Number((seconds / 3600).toFixed(2))} h`;
  const lines: [string, string][] = [
    ["run", plan.run],
    [
      "where",
      plan.backend === "function"
        ? `Modal app ${plan.app}, function ${plan.function}`
        : `Modal sandbox of ${plan.image}`,
    ],
    ["machine", `${gpu.count} × ${gpu.type}, ${plan.cpu} CPU cores, ${plan.memoryMiB / 1024} GiB memory`],
    [
      "time-out",
      `${hours(plan.timeoutSeconds)}; a checkpoint and the end of the segment after ${hours(plan.segmentSeconds)}`,
    ],
    ["segments", `at most ${plan.segments}: ${hours(plan.totalSeconds)} in all, whatever was started again meanwhile`],
    ["retries", plan.retries === 0 ? "none" : `at most ${plan.retries}, for segments and failures together`],
    ["checkpoint", checkpointText(plan)],
    ...plan.mounts.map(({ path, from, readOnly }): [string, string] => [
      "mount",
      `${path} ← ${from}${readOnly ? " (read only)" : ""}`,
    ]),
    ["secrets", plan.secrets.join(", ")],
    ["command", plan.command.join(" ")],
    ...(plan.config.publish === undefined ? [] : [["push", plan.config.publish] as [string, string]]),
    [
      "cost",
      `${dollars(cost.perHour)} an hour, ${dollars(cost.perSegment)} a full segment, ${dollars(cost.most)} at most (estimate by the prices in modal/settings.json)`,
    ],
  ];
  for (const warning of plan.warnings) lines.push(["warning", warning]);
  const table = lines.map(([name, value]) => `${name.padEnd(10)} ${value}`).join("\n");
  return `${table}\n\nconfiguration\n${stringify(plan.config).replaceAll(/^(?=.)/gm, "  ")}`;
}

function checkpointText({ config, backend }: ModalPlan): string {
  const { every_steps, every_minutes, store } = config.checkpoint;
  const steps = every_steps === 0 ? "" : `every ${every_steps} steps, `;
  const places = `${modalSettings.paths.runs}${store === undefined ? "" : ` and ${store}`}`;
  return `${steps}every ${every_minutes} minutes and at the end of ${backend === "sandbox" ? "the time" : "a segment"}, to ${places}`;
}
