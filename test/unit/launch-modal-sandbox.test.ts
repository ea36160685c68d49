/** The shell around a sandbox's trainer, with other programs in the trainer's place. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sandboxCommand } from "../../src/launch/modal/launcher.ts";
import type { ModalPlan } from "../../src/launch/modal/plan.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "anonymizer-sandbox-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function start(trainer: string) {
  const plan = { run: "mine", command: ["sh", "-c", trainer, "trainer"] } as unknown as ModalPlan;
  const [file, ...args] = sandboxCommand(plan).map((text) => text.replace(/^\/runs\//, `${root}/`)) as [
    string,
    ...string[],
  ];
  const child = spawn(file, args, {
    env: { PATH: process.env["PATH"], ANONYMIZER_TRAINING: '{"kind": "vae", "name": "it\'s"}' },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const closed = once(child, "close").then(([code]) => code as number);
  return { child, closed, output: () => output };
}

it("puts the configuration in its place and ends as the trainer does", async () => {
  const { closed } = await start("exit 75");
  expect(await closed).toBe(75);
  expect(await readFile(join(root, "mine", "config.yaml"), "utf8")).toBe('{"kind": "vae", "name": "it\'s"}');
});

it("gives the trainer the time to save when it is stopped", async () => {
  const trainer = 'trap "sleep 0.3; echo saved; exit 130" TERM; echo started; while :; do sleep 0.05; done';
  const { child, closed, output } = await start(trainer);
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect(await closed).toBe(130);
  expect(output()).toBe("started\nsaved\n");
});
