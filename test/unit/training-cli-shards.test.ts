/** `anonymizer-train data pack|push|pull|verify`. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes, main } from "../../src/cli/train/main.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-shards-"));
  await writeSyntheticDataset({ seed: 2, count: 4, out: join(folder, "data"), kinds: { receipt: 1 } });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function cli(...args: string[]) {
  const stream = () => {
    const parts: string[] = [];
    return { write: (text: string) => void parts.push(text), text: () => parts.join("") };
  };
  const terminal = { stdout: stream(), stderr: stream() };
  const code = await main(["data", ...args], terminal, new AbortController().signal);
  return { code, stdout: terminal.stdout.text(), stderr: terminal.stderr.text() };
}

describe("anonymizer-train data", () => {
  it("packs, pushes, pulls and verifies, each printing where the index is", async () => {
    const [source, packed, pulled] = ["data", "packed", "pulled"].map((name) => join(folder, name));
    const address = pathToFileURL(join(folder, "store")).href;
    const dry = await cli("pack", source!, "--out", packed!, "--dry-run");
    expect(dry).toMatchObject({ code: exitCodes.fine, stdout: `${join(packed!, "index.json")}\n` });
    expect(dry.stderr).toMatch(/4 images of 4 records in \d shards .*nothing was written/);
    expect(await readdir(folder)).toEqual(["data"]);
    expect((await cli("pack", source!, "--out", packed!)).stdout).toBe(dry.stdout);
    const pushed = await cli("push", packed!, address, "--json");
    expect(JSON.parse(pushed.stdout)).toMatchObject({ index: `${address}/index.json`, skipped: 0 });
    expect((await cli("push", packed!, address)).stderr).toMatch(/(\d+) files, .*; \1 were there already/);
    expect((await cli("pull", address, "--out", pulled!)).stdout).toBe(`${join(pulled!, "index.json")}\n`);
    expect((await cli("verify", pulled!)).code).toBe(exitCodes.fine);
    expect((await cli("verify", address)).code).toBe(exitCodes.fine);
    expect(await readFile(join(pulled!, "index.json"))).toEqual(await readFile(join(packed!, "index.json")));
  });

  it("names what is damaged, and fails", async () => {
    const out = join(folder, "hurt");
    await cli("pack", join(folder, "data"), "--out", out);
    const shard = (await readdir(out)).find((name) => name.endsWith(".tar"))!;
    const bytes = await readFile(join(out, shard));
    bytes[2000]! ^= 1;
    await writeFile(join(out, shard), bytes);
    const { code, stderr } = await cli("verify", out);
    expect(code).toBe(exitCodes.failed);
    expect(stderr).toMatch(new RegExp(`damaged: .*${shard}: images/.*SHA-256`));
    expect(stderr).toContain("ERR_DATASET_DAMAGED");
  });

  it("tells wrong usage and wrong places by their codes", async () => {
    expect((await cli("pack", join(folder, "data"))).code).toBe(exitCodes.usage);
    expect((await cli("verify", join(folder, "nowhere"))).stderr).toContain("ERR_DATASET_NOT_FOUND");
    expect((await cli("push", join(folder, "data"), join(folder, "x"))).stderr).toContain("ERR_DATASET_NOT_FOUND");
    const out = join(folder, "there");
    await cli("pack", join(folder, "data"), "--out", out);
    expect((await cli("push", out, join(folder, "x"))).stderr).toContain("ERR_STORE_ADDRESS");
  });
});
