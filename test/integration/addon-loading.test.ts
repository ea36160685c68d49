/** Finding LibTorch, and saying what is wrong where it can't be used. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadNative } from "../../src/addon/binding.ts";
import { diagnose } from "../../src/addon/diagnose.ts";
import { findLibTorch, readLibTorchVersion } from "../../src/addon/find-libtorch.ts";
import { chooseLibTorch, loadAddon } from "../../src/addon/load.ts";
import { root } from "../helpers/tiny.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "anonymizer-libtorch-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A folder that looks like LibTorch from outside. */
function fakeLibTorch(version: string, name = "torch"): string {
  const path = join(folder, name);
  mkdirSync(join(path, "lib"), { recursive: true });
  for (const library of ["libc10.so", "libtorch_cpu.so"]) writeFileSync(join(path, "lib", library), "not a library");
  writeFileSync(join(path, "version.py"), `__version__ = '${version}+cpu'\n`);
  return path;
}

describe("the search", () => {
  it("takes LIBTORCH alone when it is set", async () => {
    const path = fakeLibTorch("2.13.0");
    expect((await findLibTorch({ LIBTORCH: path })).place).toMatchObject({
      path,
      source: "LIBTORCH",
      version: "2.13.0",
      cuda: false,
    });
    const { place, tried } = await findLibTorch({ LIBTORCH: join(folder, "nothing") });
    expect(place).toBeUndefined();
    expect(tried).toHaveLength(1);
  });

  it("goes on from vendor to the environment of the working folder", async () => {
    const venv = join(folder, ".venv", "lib", "python3.11", "site-packages");
    mkdirSync(venv, { recursive: true });
    const path = fakeLibTorch("2.13.1", join(".venv", "lib", "python3.11", "site-packages", "torch"));
    expect((await findLibTorch({}, folder)).place).toMatchObject({ path, source: ".venv" });
    const vendor = fakeLibTorch("2.11.0", join("vendor", "libtorch"));
    expect((await findLibTorch({}, folder)).place).toMatchObject({ path: vendor, source: "vendor", version: "2.11.0" });
  });

  it("finds the project's own", async () => {
    const { place } = await findLibTorch({}, root);
    expect(place?.source).toBe(".venv");
    expect(readLibTorchVersion(place!.path)).toMatch(/^2\.13\./);
  });
});

describe("a LibTorch that can't be used", () => {
  it("is ERR_LIBTORCH_NOT_FOUND with everything that was tried", async () => {
    vi.stubEnv("LIBTORCH", join(folder, "nothing"));
    await expect(chooseLibTorch()).rejects.toMatchObject({
      code: "ERR_LIBTORCH_NOT_FOUND",
      message: expect.stringContaining(join(folder, "nothing")),
    });
  });

  it("is ERR_LIBTORCH_VERSION when it is too old", async () => {
    vi.stubEnv("LIBTORCH", fakeLibTorch("2.9.1"));
    await expect(loadAddon()).rejects.toMatchObject({
      code: "ERR_LIBTORCH_VERSION",
      message: expect.stringContaining("2.9.1"),
    });
  });

  it("is ERR_LIBTORCH_LOAD when its libraries are damaged", async () => {
    vi.stubEnv("LIBTORCH", fakeLibTorch("2.13.0"));
    await expect(loadAddon()).rejects.toMatchObject({ code: "ERR_LIBTORCH_LOAD" });
  });

  it("is reported by diagnose without harm, with the cure", async () => {
    vi.stubEnv("LIBTORCH", fakeLibTorch("2.13.0"));
    const { loads, error } = await diagnose();
    expect(loads).toBe(false);
    expect(error?.code).toBe("ERR_LIBTORCH_LOAD");
    expect(error?.cure).toMatch(/install/i);
  });
});

describe("the project's LibTorch", () => {
  it("loads after a failed try", async () => {
    vi.stubEnv("LIBTORCH", join(folder, "nothing"));
    await expect(loadNative()).rejects.toMatchObject({ code: "ERR_LIBTORCH_NOT_FOUND" });
    vi.unstubAllEnvs();
    expect((await loadNative()).info().libtorch).toMatch(/^2\.13\./);
  });

  it("passes diagnose", async () => {
    expect(await diagnose()).toMatchObject({ loads: true, info: { libtorch: expect.stringMatching(/^2\.13\./) } });
  });
});
