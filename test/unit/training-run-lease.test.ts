import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { staleLeaseMs, withRunLease } from "../../src/training/run-lease.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-lease-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = async () => JSON.parse(await readFile(join(folder, "lease.json"), "utf8"));
const write = (owner: string, ageMs: number, held = true) =>
  writeFile(
    join(folder, "lease.json"),
    JSON.stringify({ owner, held, beat_at: new Date(Date.now() - ageMs).toISOString(), used_seconds: 100 }),
  );
const nothing = async () => "done";

it("is held while the work goes on, and given back at its end, whatever that is", async () => {
  expect(await withRunLease(folder, "me", async () => (await read()).held)).toBe(true);
  expect(await read()).toMatchObject({ owner: "me", held: false });
  const failing = withRunLease(folder, "me", async () => {
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect((await read()).held).toBe(false);
});

it("is refused while another owner gives signs of life, and the work is not begun", async () => {
  await write("fc-other", 60_000);
  const work = vi.fn(nothing);
  await expect(withRunLease(folder, "me", work)).rejects.toMatchObject({
    code: "ERR_LOCKED",
    message: expect.stringMatching(/^fc-other trains in .*; its last sign of life is 6\d seconds old$/),
    cure: expect.stringMatching(/start again in 1[12]\d seconds/),
  });
  expect(work).not.toHaveBeenCalled();
  expect(await read()).toMatchObject({ owner: "fc-other", held: true });
});

it.each([
  ["another owner gave it back", () => write("other", 1000, false), 0],
  ["another owner has been silent for long", () => write("other", staleLeaseMs + 1000), 0],
  ["the same owner lost its machine", () => write("me", 1000), 100],
  ["nobody can read it", () => writeFile(join(folder, "lease.json"), "{"), 0],
])("is taken when %s, and counts the time of its owner", async (_, before, used) => {
  await before();
  expect(await withRunLease(folder, "me", nothing)).toBe("done");
  const { owner, used_seconds } = await read();
  expect(owner).toBe("me");
  expect(used_seconds).toBeGreaterThan(used);
  expect(used_seconds).toBeLessThan(used + 60);
});

it("gives signs of life, with the time used", async () => {
  await withRunLease(
    folder,
    "me",
    async () => {
      const first = await read();
      await vi.waitFor(async () => expect((await read()).used_seconds).toBeGreaterThan(first.used_seconds));
    },
    5,
  );
});

it("stops the work when another owner has taken over, and leaves it to that one", async () => {
  const running = withRunLease(
    folder,
    "me",
    async (lost) => {
      await write("other", 0);
      await vi.waitFor(() => expect(lost.aborted).toBe(true));
      return "done";
    },
    5,
  );
  await expect(running).rejects.toMatchObject({ code: "ERR_LOCKED" });
  expect(await read()).toMatchObject({ owner: "other", held: true });
});
