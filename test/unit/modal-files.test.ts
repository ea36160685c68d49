/** What can be said of the files for Modal without Modal or a container engine. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { serviceSchema } from "../../src/config/service-config.ts";
import { modalSettings } from "../../src/launch/modal/settings.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

describe("modal/Dockerfile", () => {
  const text = read("modal/Dockerfile");
  // Continued lines are one instruction.
  const instructions = text
    .replaceAll(/\s*\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => /^([A-Z]+) (.*)$/.exec(line)!.slice(1, 3) as [string, string]);
  const all = (name: string): string[] => instructions.filter(([first]) => first === name).map(([, rest]) => rest);

  it("pins its bases to exact versions of the Node this package supports", () => {
    for (const from of all("FROM")) expect(from).toMatch(/^node:20\.\d+\.\d+-bookworm(-slim)?( AS build)?$/);
    expect(all("FROM")).toHaveLength(2);
  });

  it("installs from the lockfile and the pinned requirements, without install scripts", () => {
    expect(all("RUN").filter((run) => run.startsWith("npm"))).toEqual(["npm ci --ignore-scripts --no-audit --no-fund"]);
    expect(all("RUN").join("\n")).toContain("pip install --no-cache-dir --require-hashes -r modal/requirements.txt");
    expect(text).not.toMatch(/npm install|:latest|curl|wget/);
    for (const line of read("scripts/requirements.txt").split("\n"))
      if (line !== "" && !line.startsWith("#")) expect(line).toMatch(/^[\w[\]-]+==[\w.]+$/);
  });

  it("installs what was locked of these requirements, each file known by its hash", () => {
    const wanted = ["scripts/requirements.txt", "modal/requirements.in"]
      .flatMap((file) => read(file).split("\n"))
      .filter((line) => /^[a-z].*==/.test(line));
    expect(wanted.length).toBeGreaterThan(9);
    const locked = read("modal/requirements.txt").split(/\n(?=[A-Za-z])/);
    const versions = locked.map((entry) => /^[\w.-]+==[\w.]+(?= \\\n)/.exec(entry)?.[0]);
    expect(versions).toEqual(expect.arrayContaining(wanted));
    for (const entry of locked.slice(1)) expect(entry).toMatch(/^[\w.-]+==[\w.]+ \\\n {4}--hash=sha256:[0-9a-f]{64}/);
  });

  it("builds the NCCL addon, without which no training on several GPUs starts", () => {
    const locked = read("modal/requirements.txt");
    for (const headers of ["nvidia-nccl-cu13", "nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-cccl"])
      expect(locked).toMatch(new RegExp(`^${headers}==`, "m"));
    const packages = "/app/.venv/lib/python3.11/site-packages/nvidia";
    // In this order, all before the second stage.
    const [first, ...later] = [
      `ENV CUDA_HOME=${packages}/cu13 NCCL_HOME=${packages}/nccl`,
      "RUN npx tsdown && node scripts/build-native.mjs && npm prune --omit=dev --ignore-scripts",
      `RUN test -f build/Release/${ncclAddon()}.node`,
      "FROM node:20.20.2-bookworm-slim",
    ].map((line) => instructions.findIndex(([name, rest]) => `${name} ${rest}` === line));
    expect(first).toBeGreaterThan(0);
    expect(later).toEqual([first! + 1, first! + 2, first! + 3]);
  });

  /** As CMake names it for the torch of the image. */
  function ncclAddon(): string {
    const [, major, minor] = /^torch==(\d+)\.(\d+)\./m.exec(read("modal/requirements.txt"))!;
    const output = /OUTPUT_NAME "(anonymizer-nccl-torch-)\$\{LibTorch_MAJOR\}\.\$\{LibTorch_MINOR\}"/;
    return `${output.exec(read("CMakeLists.txt"))![1]}${major}.${minor}`;
  }

  it("does not run as root, and has no secret in it", () => {
    expect(all("USER").at(-1)).toBe("node");
    expect(instructions.findIndex(([name]) => name === "USER")).toBeGreaterThan(
      instructions.findLastIndex(([name]) => name === "RUN"),
    );
    expect([...all("ENV"), ...all("ARG")].join("\n")).not.toMatch(/key|token|secret|password/i);
  });

  it("gets nothing of the checkout but its sources and the small models", () => {
    const lines = read(".dockerignore").split("\n");
    expect(lines[0]).toBe("*");
    const small = "!models/document-small";
    expect(lines).toContain(small);
    for (const kept of lines.filter((line) => line.startsWith("!") && line !== small))
      expect(kept).not.toMatch(/node_modules|models|runs|data|\.env|\.git|dist|build/);
  });
});

describe("the Modal client", () => {
  it("is Modal's: the newest package of that name is another one", async () => {
    expect(manifest.dependencies.modal).toBe("0.11.1");
    expect(typeof (await import("modal")).ModalClient).toBe("function");
  });

  it("is pinned for Python too", () => {
    expect(read("scripts/requirements-modal.txt")).toMatch(/^modal==1\.6\.4$/m);
  });
});

describe("modal/settings.json", () => {
  it("keeps every segment below a day, with time for the last checkpoint, and has a price for every GPU", () => {
    const { training, serving, usd_per_hour: prices } = modalSettings;
    for (const { timeout_seconds, segment_seconds, gpu } of Object.values(training)) {
      expect(timeout_seconds).toBeLessThan(24 * 3600);
      expect(timeout_seconds - segment_seconds).toBeGreaterThanOrEqual(900);
      expect(prices).toHaveProperty([gpu]);
    }
    expect(prices).toHaveProperty([serving.gpu]);
  });

  it("leaves requests a place beside those that wait for a document, and an answer within Modal's time", () => {
    const { concurrent_inputs, service, stop_seconds } = modalSettings.serving;
    // Or nobody could be told that the server is full, or ask how far a job is.
    expect(service.concurrency + service.queue).toBeLessThanOrEqual(concurrent_inputs - 4);
    // Modal ends a request after 150 s, in which it may have waited for a container.
    expect(service.max_wait_seconds).toBeLessThanOrEqual(75);
    // Closing takes up to 2 s more; Modal kills a container after 30.
    expect(stop_seconds).toBeGreaterThan(service.drain_seconds + 2);
    expect(stop_seconds).toBeLessThan(30);
    expect(serviceSchema.parse(service)).toMatchObject(service);
  });
});
