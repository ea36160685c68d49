/**
 * Launching on Modal against a control plane on loopback: the real SDK and the real `modal deploy`, our own trainer on
 * tiny models as the process in the container. It shows what is asked of Modal, not what Modal does with it.
 */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/train/main.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { modalSettings } from "../../src/launch/modal/settings.ts";
import { missingForTraining } from "../helpers/can-train.ts";
import { type Message, ModalPlane, modalCli, modalMissing } from "../helpers/modal-plane.ts";
import { root } from "../helpers/tiny.ts";

const missing = modalMissing ?? (await missingForTraining("unet"));
const endpoint = `https://${"0".repeat(32)}.r2.cloudflarestorage.com`;
let folder: string;
let plane: ModalPlane;

describe.skipIf(missing !== undefined)(`Modal${missing ? ` (${missing})` : ""}`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "anonymizer-modal-"));
    const place = (name: string): string => join(folder, name);
    for (const name of ["runs", "data", "bin"]) await mkdir(place(name));
    await symlink(join(root, "models"), place("models"));
    await writeSyntheticDataset({ seed: 3, count: 3, out: place("data") });
    for (const name of ["anonymizer", "anonymizer-train"]) {
      const program = `exec "${process.execPath}" "${root}/dist/cli/${name}.js" "$@"`;
      await writeFile(place(`bin/${name}`), `#!/bin/sh\n[ -n "$STAND_IN" ] && eval "$STAND_IN"\n${program}\n`);
      await chmod(place(`bin/${name}`), 0o755);
    }
    plane = await ModalPlane.start({
      mounts: { "/runs": place("runs"), "/data": place("data"), "/models": place("models") },
      env: { PATH: `${place("bin")}:${process.env["PATH"]}`, ANONYMIZER_RUNS: place("runs"), OMP_NUM_THREADS: "1" },
      retries: 1,
    });
    for (const [name, value] of Object.entries(plane.environment)) process.env[name] = value;
    await promisify(execFile)(modalCli, ["deploy", join(root, "modal", "app.py")], {
      env: { ...process.env, ANONYMIZER_BUCKET: "documents", ANONYMIZER_BUCKET_ENDPOINT: endpoint },
    }).catch((error) => {
      throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
    });
  });
  afterAll(async () => {
    await plane?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function cli(...args: string[]) {
    let stdout = "";
    let stderr = "";
    const signal = new AbortController();
    const terminal = {
      stdout: {
        write: (chunk: string | Uint8Array) => {
          stdout += chunk;
        },
      },
      stderr: {
        write: (chunk: string | Uint8Array) => {
          stderr += chunk;
        },
      },
    };
    const code = await main(["launch", "modal", ...args], terminal, signal.signal);
    return { code, stdout, stderr };
  }

  const training = (kind: "vae" | "unet", run: string, ...more: string[]): string[] => {
    const settings: Record<string, unknown> = {
      "model.path": `/models/tiny/${kind}`,
      "data.manifest": "/data/manifest.jsonl",
      "data.height": 32,
      "data.width": 64,
      max_train_steps: 4,
      train_batch_size: 2,
      "checkpoint.every_steps": 2,
      "validation.every_steps": 0,
      "samples.every_steps": 0,
      threads: 1,
      "lr_scheduler.type": "constant",
      "lr_scheduler.warmup_steps": 0,
      ...(kind === "vae" && { "perceptual.path": "/models/tiny/vgg16" }),
      ...(kind === "unet" && { "vae.path": "/models/tiny/vae", "glyph_encoder.path": "/models/tiny/glyph_encoder" }),
    };
    return [
      "--config",
      join(root, "configs", "presets", `tiny-${kind}.yaml`),
      "--run",
      run,
      "--state",
      join(folder, "state"),
      ...Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]),
      ...more,
    ];
  };

  it("modal deploy publishes what is asked for", () => {
    expect([...plane.functions.keys()].sort()).toEqual(["Inference.*", "train_unet", "train_vae"]);
    const mounts = [
      { mount_path: "/data", bucket_name: "documents", key_prefix: "datasets/" },
      { mount_path: "/models", bucket_name: "documents", key_prefix: "models/" },
    ].map((mount) => ({
      ...mount,
      bucket_type: "R2",
      bucket_endpoint_url: endpoint,
      read_only: true,
      credentials_secret_id: "st-anonymizer-r2",
    }));
    for (const [kind, gpus, hours] of [
      ["vae", 2, 8],
      ["unet", 4, 23],
    ] as const) {
      const made = plane.functions.get(`train_${kind}`)!;
      expect(made).toMatchObject({
        resources: { gpu_config: { gpu_type: "A100-80GB", count: gpus } },
        timeout_secs: hours * 3600,
        retry_policy: { retries: 10, backoff_coefficient: 1 },
        secret_ids: ["st-anonymizer-r2"],
        volume_mounts: [{ volume_id: "vo-anonymizer-runs", mount_path: "/runs", read_only: false }],
        cloud_bucket_mounts: mounts,
      });
      const { timeout_seconds, segment_seconds } = modalSettings.training[kind];
      expect(timeout_seconds).toBeLessThan(24 * 3600);
      expect(timeout_seconds - segment_seconds).toBeGreaterThanOrEqual(900);
    }
    const serving = plane.functions.get("Inference.*")!;
    expect(serving).toMatchObject({
      resources: { gpu_config: { gpu_type: "T4", count: 1 } },
      max_concurrent_inputs: 10,
      task_idle_timeout_secs: 300,
      autoscaler_settings: { min_containers: 0, max_containers: 1, scaledown_window: 300 },
      checkpointing_enabled: true,
      experimental_options: [{ key: "enable_gpu_snapshot", value: "True" }],
      secret_ids: ["st-anonymizer-r2", "st-anonymizer-service"],
      cloud_bucket_mounts: [mounts[1]],
    });
    expect(serving["method_definitions"]).toMatchObject([
      { key: "serve", value: { webhook_config: { type: "WEBHOOK_TYPE_WEB_SERVER", web_server_port: 8000 } } },
    ]);
  });

  it("what is sent to build the image is the source and the small models, not data, other models or secrets", () => {
    const sent = plane
      .requests("MountGetOrCreate")
      .flatMap(({ files }) => (files as Message[]).map(({ filename }) => filename as string));
    expect(sent.some((file) => file.endsWith("/package-lock.json"))).toBe(true);
    expect(sent.some((file) => file.endsWith("/src/index.ts"))).toBe(true);
    const parts = ["glyph_encoder", "unet", "vae"].flatMap((part) =>
      ["README.md", "config.json", "graph.pt", "metadata.json", "model.safetensors"].map((name) => `${part}/${name}`),
    );
    const small = ["README.md", ...parts].map((file) => `/models/document-small/${file}`);
    expect(
      sent
        .filter((file) => /node_modules|\.venv|\.git\/|^\/models\/|\.env|\.safetensors$|^\/runs\/|\.png$/.test(file))
        .sort(),
    ).toEqual(small);
  });

  it("a dry run prints what would run and asks nothing", async () => {
    const before = plane.recorded.length;
    const { code, stdout } = await cli(...training("unet", "dry", "--dry-run"));
    expect(code).toBe(0);
    expect(stdout).toContain("4 × A100-80GB");
    expect(stdout).toContain("23 h; a checkpoint and the end of the segment after 22 h");
    expect(stdout).toContain(
      "anonymizer-train unet --config /tmp/config.yaml --out /runs/dry --json --resume auto --stop-after 79200 --nproc 4",
    );
    expect(stdout).toMatch(/cost +\d+\.\d\d USD an hour, \d+\.\d\d USD a full segment, \d+\.\d\d USD at most/);
    expect(plane.recorded.length).toBe(before);
  });

  it.each([
    [
      ["--set", "data.manifest=data/manifest.jsonl"],
      /ERR_LAUNCH_CONFIG: No container has these paths:\n {2}data.manifest: /,
    ],
    [["--run", "../outside"], /ERR_USAGE: --run/],
    [["--image", "x:1"], /ERR_USAGE: image belongs to a sandbox/],
    [["--backend", "sandbox"], /ERR_USAGE: A sandbox needs --image/],
  ])("%j is refused before anything is asked", async (more, message) => {
    const before = plane.recorded.length;
    const { code, stderr } = await cli(...training("vae", "wrong", ...more));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(plane.recorded.length).toBe(before);
  });

  it.each(["vae", "unet"] as const)(
    "a %s trains in the deployed function, its log is followed to the end",
    async (kind) => {
      const store = join(folder, "store");
      const push = ["--push", `file://${store}/mine-${kind}@v1`];
      const { code, stdout, stderr } = await cli(...training(kind, `first-${kind}`, ...push));
      expect(stdout).toContain(`$ anonymizer-train ${kind} --config`);
      expect([code, stdout.trim().split("\n").at(-1)]).toEqual([0, `first-${kind}: done, exit code 0`]);
      expect(stderr).toMatch(/"event":"step".*"step":4/);
      expect(await readdir(join(folder, "runs", `first-${kind}`, "models"))).toContain(kind);
      const pushed = await readdir(join(store, "models", `mine-${kind}`, "v1"), { recursive: true });
      expect(pushed).toContain(kind === "vae" ? "model.safetensors" : "unet/model.safetensors");
      const [call] = plane.requests("FunctionMap").slice(-1);
      expect(call).toMatchObject({
        function_id: `fu-train_${kind}`,
        function_call_invocation_type: "FUNCTION_CALL_INVOCATION_TYPE_ASYNC",
      });
      expect((await cli("status", `first-${kind}`, "--state", join(folder, "state"))).stdout).toMatch(
        /done, exit code 0/,
      );
      const { stdout: out, stderr: err } = await cli(
        "logs",
        `first-${kind}`,
        "--tail",
        "3",
        "--state",
        join(folder, "state"),
      );
      expect(`${out}${err}`.trim().split("\n")).toHaveLength(3);
    },
  );

  const untilLine = async (id: string, pattern: RegExp): Promise<void> => {
    for (let i = 0; i < 6000; i++) {
      if (plane.work(id).lines.some(({ text }) => pattern.test(text))) return;
      if (plane.work(id).result !== undefined)
        throw new Error(
          plane
            .work(id)
            .lines.map(({ text }) => text)
            .join(""),
        );
      await sleep(10);
    }
    throw new Error(`${pattern} never came`);
  };
  const steps = (id: string): number[] =>
    plane.work(id).lines.flatMap(({ text }) => {
      const step = /"event":"step","step":(\d+)/.exec(text)?.[1];
      return step === undefined ? [] : [Number(step)];
    });

  it("a run that is preempted goes on from its checkpoint, under the same name; meanwhile it can't be started twice", async () => {
    const long = training(
      "vae",
      "preempted",
      "--set",
      "max_train_steps=120",
      "--set",
      "checkpoint.every_steps=1000",
      "--detach",
    );
    const started = await cli(...long);
    const id = started.stdout.trim();
    await untilLine(id, /"event":"step","step":5,/);
    const again = await cli(...long);
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringMatching(/ERR_LAUNCH_RUN: The run preempted is under way/),
    ]);
    plane.preempt(id);
    const { code, stdout } = await cli("attach", "preempted", "--state", join(folder, "state"));
    expect([code, stdout.trim().split("\n").at(-1)]).toEqual([0, "preempted: done, exit code 0"]);
    expect(plane.work(id).starts).toBe(2);
    // Every step once: the checkpoint was written at the very step it was stopped at.
    expect(steps(id)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
  });

  it.each([
    ["vae", 2],
    ["unet", 4],
  ] as const)("a %s by %d processes is preempted and goes on with every step once", async (kind, ranks) => {
    plane.allRanks = true;
    try {
      const settings = ["max_train_steps=40", "checkpoint.every_steps=1000", "distributed.timeout_seconds=60"];
      const sets = settings.flatMap((setting) => ["--set", setting]);
      const id = (await cli(...training(kind, `ranks-${kind}`, ...sets, "--detach"))).stdout.trim();
      await untilLine(id, /"event":"step","step":4,/);
      plane.preempt(id);
      const { code, stdout } = await cli("attach", `ranks-${kind}`, "--state", join(folder, "state"));
      expect([code, stdout.trim().split("\n").at(-1)]).toEqual([0, `ranks-${kind}: done, exit code 0`]);
      expect(plane.work(id).starts).toBe(2);
      const log = plane.work(id).lines.map(({ text }) => text);
      expect(log.filter((line) => line.includes(`--nproc ${ranks} --max-restarts 3`))).toHaveLength(2);
      expect(log.some((line) => line.includes(`"effectiveBatch":${2 * ranks},`))).toBe(true);
      expect(steps(id)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
      expect(await readdir(join(folder, "runs", `ranks-${kind}`, "models"))).toContain(kind);
    } finally {
      plane.allRanks = false;
    }
  });

  it("a run that is stopped keeps its checkpoint and goes on when it is started again", async () => {
    const long = training(
      "vae",
      "stopped",
      "--set",
      "max_train_steps=60",
      "--set",
      "checkpoint.every_steps=1000",
      "--detach",
    );
    const id = (await cli(...long)).stdout.trim();
    await untilLine(id, /"event":"step","step":3,/);
    expect((await cli("stop", "stopped", "--state", join(folder, "state"))).code).toBe(0);
    const ended = await cli("attach", "stopped", "--state", join(folder, "state"));
    expect([ended.code, ended.stdout.trim().split("\n").at(-1)]).toEqual([
      1,
      expect.stringMatching(/^stopped: stopped/),
    ]);
    const second = (await cli(...long)).stdout.trim();
    expect((await cli("attach", "stopped", "--state", join(folder, "state"))).code).toBe(0);
    expect([...steps(id), ...steps(second)]).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  it("a segment ends by itself, and the next one goes on", async () => {
    plane.firstEnv = { ANONYMIZER_SEGMENT_SECONDS: "1" };
    const { code, stdout } = await cli(...training("unet", "segments", "--set", "max_train_steps=60"));
    plane.firstEnv = {};
    const id = stdout.split("\n")[0]!;
    expect([code, stdout.trim().split("\n").at(-1)]).toEqual([0, "segments: done, exit code 0"]);
    expect(plane.work(id).starts).toBe(2);
    expect(plane.work(id).lines.some(({ text }) => text.includes("stopped after 1 seconds"))).toBe(true);
    expect(steps(id)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  /** Shell in the trainer's place, for every container that is started meanwhile. */
  async function withStandIn<T>(script: string, work: () => Promise<T>, env: Record<string, string> = {}): Promise<T> {
    plane.moreEnv = { STAND_IN: script, ...env };
    try {
      return await work();
    } finally {
      plane.moreEnv = {};
    }
  }
  const lastLine = ({ stdout }: { stdout: string }): string | undefined => stdout.trim().split("\n").at(-1);
  const idOf = ({ stdout }: { stdout: string }): string => stdout.split("\n")[0]!;

  it("a lost container is replaced, and the run goes on from its newest checkpoint", async () => {
    const sets = ["--set", "max_train_steps=40", "--set", "checkpoint.every_steps=5"];
    const id = idOf(await cli(...training("vae", "lost", ...sets, "--detach")));
    await untilLine(id, /"event":"checkpoint","step":10,/);
    plane.lose(id);
    const ended = await cli("attach", "lost", "--state", join(folder, "state"));
    expect([ended.code, lastLine(ended), plane.work(id).starts]).toEqual([0, "lost: done, exit code 0", 2]);
    // Steps after the checkpoint may come twice; those before it don't.
    expect([...new Set(steps(id))]).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(steps(id).filter((step) => step <= 10)).toHaveLength(10);
  });

  it.each([
    [1, 1, /^ends: failed, exit code 1$/],
    [69, 2, /^ends: failed: .*Unfinished/],
    [137, 2, /^ends: failed: .*Unfinished/],
  ])("a trainer that ends with %d is started %d times", async (exit, starts, told) => {
    const ended = await withStandIn(`exit ${exit}`, () => cli(...training("vae", "ends")));
    expect([ended.code, plane.work(idOf(ended)).starts, lastLine(ended)]).toEqual([
      1,
      starts,
      expect.stringMatching(told),
    ]);
  });

  it("a trainer that hangs is told to end, and counts as a failure", async () => {
    const python = join(root, ".cache", "modal", "bin", "python");
    const hanging = `trap 'echo told; exit 0' TERM; while :; do sleep 0.05; done`;
    const program = "import app, sys; app.run(['sh', '-c', sys.argv[1]], {}, 0.5)";
    const hung = promisify(execFile)(python, ["-c", program, hanging], { cwd: join(root, "modal") });
    await expect(hung).rejects.toMatchObject({
      stdout: expect.stringContaining("\ntold\n") as string,
      stderr: expect.stringContaining("TimeoutExpired") as string,
    });
  });

  it("a vae whose time is over is not started again, and says so", async () => {
    plane.moreEnv = { ANONYMIZER_SEGMENT_SECONDS: "1", ANONYMIZER_TOTAL_SECONDS: "1" };
    const ended = await cli(...training("vae", "over", "--set", "max_train_steps=100000"));
    plane.moreEnv = {};
    const id = idOf(ended);
    expect([ended.code, plane.work(id).starts, lastLine(ended)]).toEqual([75, 1, "over: unfinished, exit code 75"]);
    expect(plane.work(id).lines.some(({ text }) => /hours of this start are used up/.test(text))).toBe(true);
  });

  it("the time of all containers of a start is limited, and the last one gets what is left", async () => {
    // Ends as one that took all it was given.
    const script = `
while [ "$1" != --out ]; do shift; done; file="$2/lease.json"; mkdir -p "$2"
while [ "$1" != --stop-after ]; do shift; done; echo "given $2"
used=$(sed -n 's/.*"used_seconds": *\\([0-9]*\\).*/\\1/p' "$file" 2>/dev/null)
echo "{\\"owner\\": \\"$ANONYMIZER_LEASE\\", \\"used_seconds\\": $(( \${used:-0} + $2 ))}" > "$file"; exit 75`;
    const run = () => cli(...training("unet", "limited"));
    const ended = await withStandIn(script, run, { ANONYMIZER_TOTAL_SECONDS: "100000" });
    const given = plane.work(idOf(ended)).lines.filter(({ text }) => text.startsWith("given"));
    expect(given.map(({ text }) => text.trim())).toEqual(["given 79200", "given 20800"]);
    expect([ended.code, lastLine(ended)]).toEqual([75, "limited: unfinished, exit code 75"]);
  });

  it("checkpoints reach their store, and a run whose volume is empty goes on from there", async () => {
    const store = ["--set", `checkpoint.store=file://${join(folder, "store")}`];
    const first = await cli(...training("vae", "stored", ...store));
    expect(first.code, first.stderr).toBe(0);
    expect(await readdir(join(folder, "store", "checkpoints"))).toContain("step-00000004");
    await rm(join(folder, "runs", "stored"), { recursive: true });
    const second = await cli(...training("vae", "stored", ...store, "--set", "max_train_steps=6"));
    expect(second.code, second.stderr).toBe(0);
    expect(steps(idOf(second))).toEqual([5, 6]);
  });

  it("a run can't be started a second time from elsewhere while it is under way", async () => {
    const id = idOf(await cli(...training("vae", "shared", "--set", "max_train_steps=100000", "--detach")));
    await untilLine(id, /"event":"step","step":2,/);
    const second = await cli(...training("vae", "shared", "--state", join(folder, "elsewhere")));
    expect([second.code, lastLine(second)]).toEqual([1, "shared: failed, exit code 1"]);
    expect(second.stderr).toContain("ERR_LOCKED");
    expect(second.stderr).toContain(`${id} trains in `);
    await cli("stop", "shared", "--state", join(folder, "state"));
    await cli("attach", "shared", "--state", join(folder, "state"));
    expect(steps(id).length).toBeGreaterThan(1);
  });

  it.each([
    ["forgotten", (id: string) => plane.forget(id)],
    [
      "lost by Modal",
      (id: string) => {
        plane.work(id).result = { status: "GENERIC_STATUS_INTERNAL_FAILURE", exception: "lost" };
      },
    ],
  ])("a run whose call was %s can be started again by its name", async (_, lose) => {
    await withStandIn("exit 0", async () => {
      const first = await cli(...training("vae", "again"));
      expect(first.code, first.stderr).toBe(0);
      lose(idOf(first));
      const second = await cli(...training("vae", "again"));
      expect([second.code, lastLine(second)], second.stderr).toEqual([0, "again: done, exit code 0"]);
    });
  });

  it("a sandbox trains with the machine, mounts and secrets it was asked for", async () => {
    const sandbox = [
      "--backend",
      "sandbox",
      "--image",
      "registry.test/anonymizer:1",
      "--gpu",
      "t4",
      "--timeout",
      "1800",
    ];
    const bucket = ["--bucket", "documents", "--bucket-endpoint", endpoint];
    const { code, stdout, stderr } = await cli(...training("vae", "smoke", ...sandbox, ...bucket));
    expect([code, stdout.trim().split("\n").at(-1)], stderr).toEqual([0, "smoke: done, exit code 0"]);
    expect(stderr).toMatch(/"event":"step".*"step":4/);
    const [{ definition }] = plane.requests("SandboxCreate").slice(-1) as [Message];
    expect(definition).toMatchObject({
      resources: { gpu_config: { gpu_type: "T4", count: 1 } },
      timeout_secs: 1800,
      volume_mounts: [{ volume_id: "vo-anonymizer-runs", mount_path: "/runs" }],
      cloud_bucket_mounts: [
        { mount_path: "/data", bucket_type: "R2", key_prefix: "datasets/", read_only: true },
        { mount_path: "/models", bucket_type: "R2", key_prefix: "models/", read_only: true },
      ],
    });
    expect(definition.secret_ids).toContain("st-anonymizer-r2");
    expect(JSON.stringify(plane.requests("ImageGetOrCreate").at(-1))).toContain("registry.test/anonymizer:1");
  });

  it("a sandbox that is stopped writes a checkpoint", async () => {
    const sandbox = ["--backend", "sandbox", "--image", "registry.test/anonymizer:1", "--detach"];
    const sets = ["--set", "max_train_steps=100000", "--set", "checkpoint.every_steps=0"];
    const id = idOf(await cli(...training("vae", "ended", ...sandbox, ...sets)));
    await untilLine(id, /"event":"step","step":2,/);
    const state = ["--state", join(folder, "state")];
    expect((await cli("stop", "ended", ...state)).code).toBe(0);
    const ended = await cli("attach", "ended", ...state);
    expect([ended.code, lastLine(ended)]).toEqual([1, "ended: stopped, exit code 137"]);
    expect(await readdir(join(folder, "runs", "ended", "checkpoints"))).toHaveLength(1);
  });

  it("a sandbox that got no tags is ended: nobody would know of it", async () => {
    plane.failNext("SandboxTagsSet", 3, "no tags today");
    const sandbox = ["--backend", "sandbox", "--image", "registry.test/anonymizer:1"];
    const { code, stderr } = await withStandIn("sleep 60", () => cli(...training("vae", "untagged", ...sandbox)));
    expect([code, stderr]).toEqual([1, expect.stringContaining("no tags today")]);
    const { sandbox_id } = plane.requests("SandboxTagsSet").at(-1)!;
    expect(plane.requests("SandboxTerminate").at(-1)).toMatchObject({ sandbox_id });
  });

  it("what Modal refuses has a code", async () => {
    const unknown = await cli(...training("vae", "elsewhere", "--app", "nowhere"));
    expect(unknown.stderr).toMatch(/ERR_LAUNCH_NOT_FOUND/);
    plane.failNext("FunctionMap", 8, "no GPU is free");
    expect((await cli(...training("vae", "full"))).stderr).toMatch(/ERR_LAUNCH_CAPACITY/);
    plane.failNext("FunctionGet", 16, "who are you");
    expect((await cli(...training("vae", "stranger"))).stderr).toMatch(/ERR_LAUNCH_CREDENTIALS/);
    expect((await cli("attach", "nobody", "--state", join(folder, "state"))).stderr).toMatch(/ERR_LAUNCH_RUN/);
  });
});
