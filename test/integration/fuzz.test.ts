/** Damaged files through everything that reads files; `npm run fuzz` does the same at length. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
// @ts-expect-error -- a script without types
import { fuzzGroup } from "../../scripts/fuzz.mjs";
import { openGroup, removeFolder } from "../fuzz/cases.ts";
import { root } from "../helpers/tiny.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fuzz-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("damaged files end well or in a coded error, and leave nothing behind", () => {
  it.each([
    ["documents", 150],
    ["manifests", 60],
    ["configs", 60],
    ["vaults", 60],
    ["journals", 60],
    ["reports", 60],
    ["flows", 12],
  ])("%s", async (group, count) => {
    const own = join(folder, group);
    const run = await openGroup(group, 7, own, join(root, "configs"));
    const outcomes = new Map<string, number>();
    for (let index = 0; index < count; index++) {
      const outcome = await run(index).catch((error: Error) => {
        throw new Error(`--seed 7 --only ${group} --case ${index}: ${error.message}`, { cause: error });
      });
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    await removeFolder(own);
    // Both happen, or the damage is too great or too small to tell anything.
    expect(outcomes.get("ok")).toBeGreaterThan(0);
    if (!["journals", "reports"].includes(group)) expect(outcomes.size).toBeGreaterThan(1);
  });
});

describe("the run at length", () => {
  const program = async (body: string): Promise<string> => {
    const path = join(folder, "program.mjs");
    const text = `import { writeFileSync } from "node:fs"; import { tmpdir } from "node:os";
      process.on("message", (index) => { ${body} });
      process.send({ type: "ready" });`;
    await writeFile(path, text);
    return path;
  };
  const done = `if (index < 0) process.disconnect(); else process.send({ type: "done", outcome: "ok", rss: 1e6 });`;
  const fuzz = async (body: string, options: object = {}) => {
    const all = {
      program: await program(body),
      args: [],
      indices: [0, 1, 2, 3],
      limitMs: 3000,
      endMs: 3000,
      ...options,
    };
    const { outcomes, violations } = await fuzzGroup(all);
    return {
      outcomes,
      violations: (violations as { index: number; what: string }[]).map(({ index, what }) => [
        index,
        what.slice(0, 40),
      ]),
    };
  };

  it("goes on after crashes, hangs and errors, and names their cases", async () => {
    const body = `if (index === 0) process.kill(process.pid, "SIGSEGV");
      if (index === 1) return; // never answers
      if (index === 2) return process.send({ type: "violation", message: "TypeError" });
      ${done}`;
    expect(await fuzz(body)).toEqual({
      outcomes: { ok: 1 },
      violations: [
        [0, expect.stringContaining("the process ended (SIGSEGV")],
        [1, "no end after 3000 ms"],
        [2, "TypeError"],
      ],
    });
  });

  it("sees files, threads and memory that stay", async () => {
    const file = `if (index === 1) writeFileSync(tmpdir() + "/left.tmp", "x"); ${done}`;
    expect((await fuzz(file)).violations).toEqual([[-1, "left in the temporary folder: left.tmp"]]);
    const timer = `if (index === 1) setInterval(() => {}, 1000); ${done}`;
    expect((await fuzz(timer)).violations).toEqual([[-1, "the process does not end: something stil"]]);
    expect((await fuzz(done, { maxRss: 1e5 })).violations).toHaveLength(4);
  });
});
