import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LocalRanksOptions, launchLocalRanks } from "../../src/launch/local-ranks.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "local-ranks-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Starts a group of Node processes that run `code`. */
async function launch(code: string, options: Partial<LocalRanksOptions> = {}) {
  const script = join(folder, "rank.mjs");
  await writeFile(
    script,
    `import { writeFileSync } from "node:fs";
const { RANK: rank, TORCHELASTIC_RESTART_COUNT: restarts } = process.env;
const mark = (name, text = "") => writeFileSync(${JSON.stringify(folder)} + "/" + name, text);
const forever = () => setInterval(() => undefined, 1000);
${code}`,
  );
  const texts = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({
    write: (text: string) => {
      texts[name] += text;
    },
  });
  const exitCode = await launchLocalRanks({
    command: [process.execPath, script],
    ranks: 2,
    stdout: stream("stdout"),
    stderr: stream("stderr"),
    graceMs: 2000,
    ...options,
  });
  return { code: exitCode, ...texts };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("local ranks", () => {
  it("tells each process its place, by the torchrun protocol", async () => {
    const { code, stdout } = await launch(
      `const e = process.env;
console.log(JSON.stringify([e.RANK, e.LOCAL_RANK, e.WORLD_SIZE, e.LOCAL_WORLD_SIZE, e.MASTER_ADDR, Number(e.MASTER_PORT) > 0, e.TORCHELASTIC_USE_AGENT_STORE, restarts]));`,
    );
    expect(code).toBe(0);
    expect(stdout.trim().split("\n").sort()).toEqual([
      '["0","0","2","2","127.0.0.1",true,"False","0"]',
      '["1","1","2","2","127.0.0.1",true,"False","0"]',
    ]);
  });

  it("puts the rank in front of every line of stderr", async () => {
    const { stderr } = await launch(`process.stderr.write("one\\ntwo"); process.stderr.write("!\\nend");`);
    for (const rank of [0, 1]) {
      const own = stderr.split("\n").filter((line) => line.startsWith(`[rank ${rank}] `));
      expect(own.map((line) => line.slice(9))).toEqual(["one", "two!", "end"]);
    }
  });

  it("ends with the code of the first failure, and ends the others", async () => {
    const { code } = await launch(`if (rank === "1") process.exit(5); forever();`, { maxRestarts: 3 });
    expect(code).toBe(5);
  });

  it("kills those that don't end", async () => {
    const { code } = await launch(
      `if (rank === "1") process.exit(5); process.on("SIGTERM", () => mark("told")); forever();`,
      { graceMs: 100 },
    );
    expect(code).toBe(5);
    expect(existsSync(join(folder, "told"))).toBe(true);
  });

  it("starts all again when one was killed, and no more often than allowed", async () => {
    const again = await launch(
      `mark("start-" + rank + "-" + restarts);
if (restarts === "0") rank === "1" ? process.kill(process.pid, "SIGKILL") : process.exit(3);`,
      { maxRestarts: 1 },
    );
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("starting all again (1 of 1)");
    expect((await readdir(folder)).filter((name) => name.startsWith("start")).sort()).toEqual([
      "start-0-0",
      "start-0-1",
      "start-1-0",
      "start-1-1",
    ]);
    const never = await launch(`process.kill(process.pid, "SIGKILL")`, { maxRestarts: 2 });
    expect(never.code).toBe(128 + 9);
    expect(never.stderr).toContain("(2 of 2)");
    expect(never.stderr).not.toContain("(3 of");
  });

  it("starts all again when one lost the others, not after an error of its own", async () => {
    expect((await launch(`process.exit(restarts === "0" ? 3 : 0)`, { maxRestarts: 1 })).code).toBe(0);
    const own = await launch(`mark("try-" + restarts + "-" + rank); process.exit(1)`, { maxRestarts: 2 });
    expect(own.code).toBe(1);
    expect((await readdir(folder)).filter((name) => name.startsWith("try-1"))).toEqual([]);
  });

  it("passes an abort on as SIGTERM, waits for the ends and gives 130", async () => {
    const controller = new AbortController();
    const running = launch(
      `process.on("SIGTERM", () => setTimeout(() => { mark("saved-" + rank); process.exit(130); }, 100)); forever(); mark("up-" + rank);`,
      { signal: controller.signal, maxRestarts: 5, graceMs: 20_000 },
    );
    await until(() => existsSync(join(folder, "up-0")) && existsSync(join(folder, "up-1")));
    controller.abort();
    expect((await running).code).toBe(130);
    expect((await readdir(folder)).filter((name) => name.startsWith("saved")).sort()).toEqual(["saved-0", "saved-1"]);
  });

  it.each([
    ["one fails to save", `rank === "0" ? 69 : 130`, 69],
    ["both fail to save", "69", 69],
    ["one fails and the other only lost it", `rank === "0" ? 3 : 1`, 1],
    ["one ends by its own time", `rank === "0" ? 75 : 130`, 130],
    ["the work was done by then", "0", 0],
  ])("an abort is no excuse for a failure: %s", async (_, ending, code) => {
    const controller = new AbortController();
    const running = launch(
      `process.on("SIGTERM", () => setTimeout(() => process.exit(${ending}), rank === "0" ? 0 : 200)); forever(); mark("up-" + rank);`,
      { signal: controller.signal, maxRestarts: 5, graceMs: 20_000 },
    );
    await until(() => existsSync(join(folder, "up-0")) && existsSync(join(folder, "up-1")));
    controller.abort();
    expect((await running).code).toBe(code);
  });

  it("a process that had to be killed after an abort has saved nothing", async () => {
    const controller = new AbortController();
    const running = launch(`process.on("SIGTERM", () => undefined); forever(); mark("up-" + rank);`, {
      signal: controller.signal,
      graceMs: 100,
    });
    await until(() => existsSync(join(folder, "up-0")) && existsSync(join(folder, "up-1")));
    controller.abort();
    expect((await running).code).toBe(128 + 9);
  });

  it("leaves nothing to a terminal's Ctrl-C: processes have a group of their own", async () => {
    await launch(`import("node:fs").then((fs) => mark("group-" + rank, fs.readFileSync("/proc/self/stat", "utf8")));`);
    for (const rank of [0, 1]) {
      const stat = await readFile(join(folder, `group-${rank}`), "utf8");
      const [pid, , , , group] = stat.replace(/\(.*\)/, "x").split(" ");
      expect(group).toBe(pid);
    }
  });

  it("says when the program can't be started", async () => {
    expect((await launch("", { command: [join(folder, "missing")] })).code).toBe(127);
  });

  it.each([
    ["ranks", { ranks: 0 }],
    ["ranks", { ranks: 1.5 }],
    ["maxRestarts", { maxRestarts: -1 }],
  ])("refuses impossible %s", async (name, options) => {
    await expect(launch("", options)).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
      message: expect.stringContaining(name) as string,
    });
  });
});
