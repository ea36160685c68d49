/** However a process or worker ends while LibTorch is busy, it ends cleanly: no crash, no hang, the right exit code. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";

const fixture = join(import.meta.dirname, "fixtures", "train-and-end.mjs");

interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function start(
  mode: string,
  onOutput?: (child: ChildProcess, text: string) => void,
  nodeArgs: string[] = [],
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    // Below the test's own limit, so that a hang is reported as one.
    const child = spawn(process.execPath, [...nodeArgs, fixture, mode], { timeout: 90_000, killSignal: "SIGKILL" });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      onOutput?.(child, stdout);
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

beforeAll(async () => {
  await sharp({ create: { width: 1200, height: 1600, channels: 3, background: "white" } })
    .png()
    .toFile(join(import.meta.dirname, "fixtures", "page.png"));
});

describe("a process that ends while training", () => {
  it("keeps its code on process.exit", async () => {
    expect(await start("exit")).toMatchObject({ code: 7, signal: null });
  });

  it("ends with 1 and the message on an uncaught exception", async () => {
    const ending = await start("throw");
    expect(ending).toMatchObject({ code: 1, signal: null });
    expect(ending.stderr).toContain("on purpose");
  });

  it("ends with 1 on an unhandled rejection", async () => {
    expect(await start("reject")).toMatchObject({ code: 1, signal: null });
  });

  it("ends by SIGTERM when it gets one", async () => {
    const ending = await start("sigterm", (child, text) => {
      if (text.includes("training")) setTimeout(() => child.kill("SIGTERM"), 50);
    });
    expect(ending.signal).toBe("SIGTERM");
  });

  it("ends by itself when an idle trainer was never closed", async () => {
    expect(await start("idle")).toMatchObject({ code: 0, signal: null, stdout: "idle\n" });
  });

  it("ends by itself after close", async () => {
    expect(await start("close")).toMatchObject({ code: 0, signal: null, stdout: "closed\n" });
  });

  it("survives the garbage collection of an unclosed trainer", async () => {
    expect(await start("garbage", undefined, ["--expose-gc"])).toMatchObject({
      code: 0,
      signal: null,
      stdout: "collected\n",
    });
  });
});

describe("worker threads", () => {
  it("are terminated in the middle of a step without harm to the process", async () => {
    expect(await start("worker")).toMatchObject({ code: 0, signal: null, stdout: "terminated 1\n" });
  });

  it("train side by side", async () => {
    expect(await start("two-workers")).toMatchObject({ code: 0, signal: null, stdout: "workers 0,0\n" });
  });
});

describe("beside other native modules", () => {
  it("sharp decodes while a step runs", async () => {
    expect(await start("sharp")).toMatchObject({ code: 0, signal: null, stdout: "both\n" });
  });
});
