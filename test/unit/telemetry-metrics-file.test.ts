import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openMetricsFile } from "../../src/telemetry/metrics-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "metrics-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lines = async (path: string): Promise<unknown[]> =>
  (await readFile(path, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

it("appends one line an event and makes the folder", async () => {
  const path = join(folder, "a", "events.jsonl");
  for (const step of [1, 2]) {
    const file = await openMetricsFile(path);
    await file.write({ type: "step", step, loss: Number.NaN });
    await file.close();
  }
  expect(await lines(path)).toEqual([
    { type: "step", step: 1, loss: null },
    { type: "step", step: 2, loss: null },
  ]);
});

it("drops later steps and a line cut short when a run is resumed", async () => {
  const path = join(folder, "events.jsonl");
  await writeFile(path, '{"step":1}\n{"note":"x"}\n{"step":2}\n{"step":3}\n{"step":4,"los');
  const file = await openMetricsFile(path, { keepUntilStep: 2 });
  await file.write({ step: 3, again: true });
  await file.close();
  expect(await lines(path)).toEqual([{ step: 1 }, { note: "x" }, { step: 2 }, { step: 3, again: true }]);
  expect(await readdir(folder)).toEqual(["events.jsonl"]);
});

it("says when it can't write", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(openMetricsFile(join(folder, "file", "events.jsonl"))).rejects.toMatchObject({ code: "ERR_OUTPUT" });
});
