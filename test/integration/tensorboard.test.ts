/** Event files, read back by TensorBoard itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { build } from "tsdown";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crc32c } from "../../src/telemetry/crc32c.ts";
import { openTensorBoard } from "../../src/telemetry/tensorboard.ts";
import { runPython } from "../helpers/python.ts";
import { root } from "../helpers/tiny.ts";

const missing = existsSync(join(root, ".venv/bin/python"))
  ? await runPython(["-c", "import tensorboard"]).then(
      () => undefined,
      () => "tensorboard is not installed in .venv",
    )
  : "there is no .venv";
if (missing !== undefined) console.log(`skipped: ${missing} (npm run setup)`);

interface Read {
  scalars: Record<string, [step: number, value: number | string, wallTime: number][]>;
  images: Record<string, [step: number, width: number, height: number, png: string][]>;
  texts: Record<string, [step: number, text: string][]>;
  plugins: Record<string, string[]>;
  records: Record<string, number>;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tensorboard-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const readBack = async (): Promise<Read> =>
  JSON.parse(await runPython([join(root, "test/parity/reference/tensorboard_events.py"), folder])) as Read;

it("CRC-32C of the check string of the standard, and of 32 zeros (RFC 3720 B.4)", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

describe.skipIf(missing !== undefined)("TensorBoard reads", () => {
  it("scalars, a picture and a text as they were written", async () => {
    const png = await sharp({ create: { width: 37, height: 21, channels: 3, background: "#5a3" } })
      .png()
      .toBuffer();
    const writer = await openTensorBoard(folder, { now: () => 1_700_000_000.25 });
    await writer.write(0, [{ tag: "config", text: "```yaml\nseed: 7 # größer\n```" }]);
    const values = [0, 1.5, -2.25e-7, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY];
    for (const [i, scalar] of values.entries()) {
      await writer.write(i + 1, [
        { tag: "loss/total", scalar },
        { tag: "optimizer/learning_rate", scalar: i / 3 },
      ]);
    }
    await writer.write(300_000_000_000, [{ tag: "loss/total", scalar: 4 }]);
    await writer.write(6, [{ tag: "samples", png, width: 37, height: 21 }]);
    await writer.close();

    const read = await readBack();
    expect(read.scalars["loss/total"]).toEqual(
      [...values.map((v, i) => [i + 1, v]), [300_000_000_000, 4]].map(([step, v]) => [
        step,
        Number.isFinite(v) ? Math.fround(v!) : Number.isNaN(v) ? "nan" : "inf",
        1_700_000_000.25,
      ]),
    );
    expect(read.scalars["optimizer/learning_rate"]!.map(([, v]) => v)).toEqual(
      values.map((_, i) => Math.fround(i / 3)),
    );
    expect(read.images["samples"]).toEqual([[6, 37, 21, png.toString("base64")]]);
    expect(read.texts["config"]).toEqual([[0, "```yaml\nseed: 7 # größer\n```"]]);
    expect(read.plugins).toEqual({
      scalars: ["loss/total", "optimizer/learning_rate"],
      images: ["samples"],
      text: ["config"],
    });
  });

  it("a resumed run once: what it repeats replaces what the earlier file says", async () => {
    const first = await openTensorBoard(folder);
    for (const step of [1, 2, 3, 4, 5]) await first.write(step, [{ tag: "a", scalar: step }]);
    await first.close();
    const second = await openTensorBoard(folder, { firstStep: 4 });
    for (const step of [4, 5, 6]) await second.write(step, [{ tag: "a", scalar: 10 * step }]);
    await second.close();
    expect(Object.keys((await readBack()).records)).toHaveLength(2);
    expect((await readBack()).scalars["a"]!.map(([step, value]) => [step, value])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 40],
      [5, 50],
      [6, 60],
    ]);
  });

  it("a file cut short by a kill, up to the last whole record", async () => {
    const writer = await openTensorBoard(folder);
    for (const step of [1, 2, 3]) await writer.write(step, [{ tag: "a", scalar: step }]);
    await writer.close();
    await truncate(writer.path, (await readFile(writer.path)).length - 5);
    expect((await readBack()).scalars["a"]!.map(([step]) => step)).toEqual([1, 2]);
  });

  it("everything a killed process had written", async () => {
    const bundle = await mkdtemp(join(tmpdir(), "tensorboard-bundle-"));
    try {
      await build({
        config: false,
        cwd: root,
        entry: [join(root, "src/telemetry/tensorboard.ts")],
        outDir: bundle,
        format: "esm",
        platform: "node",
        dts: false,
        fixedExtension: false,
        logLevel: "silent",
      });
      await writeFile(join(bundle, "package.json"), '{"type":"module"}');
      await writeFile(
        join(bundle, "write.js"),
        `import { openTensorBoard } from "./tensorboard.js";
        const writer = await openTensorBoard(process.argv[2]);
        for (let step = 1; step <= 50; step++) await writer.write(step, [{ tag: "a", scalar: step }]);
        process.stdout.write("written");
        setInterval(() => undefined, 1000);`,
      );
      const child = spawn(process.execPath, [join(bundle, "write.js"), folder], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await once(child.stdout, "data");
      child.kill("SIGKILL");
      await once(child, "exit");
      expect((await readBack()).scalars["a"]!.map(([step]) => step)).toEqual(
        Array.from({ length: 50 }, (_, i) => i + 1),
      );
    } finally {
      await rm(bundle, { recursive: true, force: true });
    }
  });
});
