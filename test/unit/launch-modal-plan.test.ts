/** What a launch on Modal says before it starts, and the launch commands of the documentation. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { main } from "../../src/cli/train/main.ts";
import { planModalLaunch } from "../../src/launch/modal/plan.ts";
import { planText } from "../../src/launch/modal/plan-text.ts";
import { modalSettings } from "../../src/launch/modal/settings.ts";

const root = join(import.meta.dirname, "..", "..");
const overrides = {
  "model.path": "/models/sd2/unet",
  "vae.path": "/models/sd2/vae",
  "glyph_encoder.path": "/models/sd2/glyph_encoder",
  "data.manifest": "/data/invoices/manifest.jsonl",
};
const config = join(root, "configs", "unet.yaml");

describe("the plan", () => {
  it("saves by the clock though the configuration does not, and keeps what it says", async () => {
    const { checkpoint } = (await planModalLaunch({ config, overrides })).config;
    expect(checkpoint.every_minutes).toBe(10);
    const own = { ...overrides, "checkpoint.every_minutes": 45 };
    expect((await planModalLaunch({ config, overrides: own })).config.checkpoint.every_minutes).toBe(45);
  });

  it("warns when checkpoints lie on the volume alone", async () => {
    const plan = await planModalLaunch({ config, overrides });
    expect(planText(plan)).toMatch(/^warning +checkpoint\.store is not set: .*anonymizer-runs alone$/m);
    const store = { ...overrides, "checkpoint.store": "r2://documents/runs/unet" };
    expect((await planModalLaunch({ config, overrides: store })).warnings).toEqual([]);
  });

  it("shows time, retries, checkpoints and the whole configuration", async () => {
    const plan = await planModalLaunch({ config, overrides });
    const text = planText(plan);
    expect(text).toMatch(/^segments +at most 8: 176 h in all/m);
    expect(text).toMatch(/^retries +at most 10, for segments and failures together$/m);
    expect(text).toMatch(/^checkpoint +every 1000 steps, every 10 minutes and at the end of a segment, to \/runs$/m);
    expect(parse(text.slice(text.indexOf("configuration\n") + 14))).toEqual(JSON.parse(JSON.stringify(plan.config)));
  });

  it("costs at most what all containers of a start can take", async () => {
    const { cost, retries, totalSeconds } = await planModalLaunch({ config, overrides });
    const { timeout_seconds, segment_seconds } = modalSettings.training.unet;
    expect([retries, totalSeconds]).toEqual([10, 8 * 22 * 3600]);
    // The last container may run until it is ended, and each may end unseen since its last sign of life.
    const seconds = totalSeconds + (timeout_seconds - segment_seconds) + 11 * 120;
    expect(cost.most).toBeCloseTo((cost.perHour * seconds) / 3600);
    const sandbox = await planModalLaunch({
      config,
      overrides,
      backend: "sandbox",
      image: "x:1",
      timeoutSeconds: 7200,
    });
    expect(sandbox.cost.most).toBeGreaterThanOrEqual(2 * sandbox.cost.perHour);
  });
});

describe("launch commands of the documentation", () => {
  const commands = ["README.md", "docs/cloud.md"].flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8").replaceAll(/\\\n\s*/g, " ");
    return [...text.matchAll(/npx anonymizer-train (launch modal --[^`\n#]*)/g)].map(([, command]) => ({
      file,
      command: command!.trim(),
    }));
  });
  const before = process.cwd();
  beforeAll(() => process.chdir(root));
  afterAll(() => process.chdir(before));

  it("are found", () => {
    expect(new Set(commands.map(({ file }) => file))).toEqual(new Set(["README.md", "docs/cloud.md"]));
    expect(commands.some(({ command }) => command.includes("--backend sandbox"))).toBe(true);
  });

  it.each(commands)("$file: $command", async ({ command }) => {
    const said: string[] = [];
    const stream = { write: (text: string) => void said.push(text) };
    const args = [...command.split(/\s+/).filter((arg) => arg !== "--dry-run"), "--dry-run"];
    const code = await main(args, { stdout: stream, stderr: stream } as never, new AbortController().signal);
    expect(code, said.join("")).toBe(0);
  });
});
