/** What a process does whose standard output can't be written. */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const program = join(resolve(import.meta.dirname, "../.."), "dist", "cli", "anonymizer.js");

describe("standard output", () => {
  it.skipIf(!existsSync("/dev/full"))("on a full disk is ERR_OUTPUT and exit code 1", () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [program, "--help"], { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    expect(stderr.toString()).toContain("ERR_OUTPUT: Standard output could not be written (ENOSPC)");
    expect(status).toBe(1);
  });

  it("may be closed by who has read enough", () => {
    // The reader is gone long before the program has started.
    const { status, stderr } = spawnSync("bash", [
      "-c",
      `set -o pipefail; "$0" "$1" --help | true`,
      process.execPath,
      program,
    ]);
    expect(stderr.toString()).toBe("");
    expect(status).toBe(0);
  });
});
