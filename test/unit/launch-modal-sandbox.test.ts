/** The shell around a sandbox's trainer, with other programs in the trainer's place. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sandboxCommand } from "../../src/launch/modal/launcher.ts";
import type { ModalPlan } from "../../src/launch/modal/plan.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "anonymizer-sandbox-"));
  // What pushes, in these tests.
  await writeFile(join(root, "anonymizer"), '#!/bin/sh\necho "pushed $*"\n');
  await chmod(join(root, "anonymizer"), 0o755);
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function start(trainer: string, options: { readonly push?: string; readonly run?: string } = {}) {
  const run = options.run ?? "mine";
  const plan = {
    run,
    kind: "vae",
    command: ["sh", "-c", trainer, "trainer"],
    push: options.push,
  } as unknown as ModalPlan;
  const [file, ...args] = sandboxCommand(plan).map((text) => text.replace(/^\/runs\//, `${root}/`)) as [
    string,
    ...string[],
  ];
  const child = spawn(file, args, {
    env: { PATH: `${root}:${process.env["PATH"]}`, ANONYMIZER_TRAINING: '{"kind": "vae", "name": "it\'s"}' },
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

it("goes on only where there is a checkpoint", async () => {
  const told = 'echo "told: $*"';
  const first = await start(told, { run: "two" });
  await first.closed;
  expect(first.output()).toBe("told: \n");
  await mkdir(join(root, "two", "checkpoints", "step-00000002"), { recursive: true });
  const second = await start(told, { run: "two" });
  await second.closed;
  expect(second.output()).toBe("told: --resume\n");
});

it("pushes what is finished, and nothing else", async () => {
  const push = "r2://bucket/mine@v1";
  const done = await start("exit 0", { push });
  expect(await done.closed).toBe(0);
  expect(done.output()).toBe(`pushed models push ${root}/mine/models/vae ${push}\n`);
  const failed = await start("exit 1", { push });
  expect(await failed.closed).toBe(1);
  expect(failed.output()).toBe("");
});

it("gives the trainer the time to save when it is stopped", async () => {
  const trainer = 'trap "sleep 0.3; echo saved; exit 130" TERM; echo started; while :; do sleep 0.05; done';
  const { child, closed, output } = await start(trainer);
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  expect(await closed).toBe(130);
  expect(output()).toBe("started\nsaved\n");
});
