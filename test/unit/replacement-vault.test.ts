import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMemory } from "../../src/anonymizer/memory.ts";
import { plain } from "../../src/replacement/normalise.ts";
import { createPseudonymizer, ownerOf } from "../../src/replacement/pseudonyms.ts";
import { Vault, type VaultEntry } from "../../src/replacement/vault.ts";
import { bundleInto } from "../helpers/bundle.ts";
import { entitiesOf } from "./helpers/entities.ts";

const key = "a key for the vault tests";
const headerBytes = 220;
let folder: string;
let count = 0;
const fresh = (): string => join(folder, `${++count}.vault`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anonymizer-vault-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const entry = (i: number, document = "a.png"): VaultEntry => ({
  fake: `Olga Sandmann ${i}`,
  original: `Greta Kalwitz ${i}`,
  type: "person",
  document: { name: document, sha256: "ab".repeat(32) },
  page: 0,
  box: [1, 2, 30.5, 40],
});
const add = (vault: Vault, ...entries: VaultEntry[]) =>
  vault.update(
    () => undefined,
    () => entries,
  );

async function filled(...entries: VaultEntry[]): Promise<string> {
  const file = fresh();
  const vault = await Vault.open(file, key, { create: true });
  for (const each of entries) await add(vault, each);
  return file;
}

describe("a vault", () => {
  it("gives back what was put in, also to another process, by fake and by document", async () => {
    const file = await filled(entry(1), entry(2), entry(3, "b.png"));
    const vault = await Vault.open(file, key);
    expect(await vault.find()).toEqual([entry(1), entry(2), entry(3, "b.png")]);
    expect(await vault.find({ fake: "OLGA  SANDMANN-2" })).toEqual([entry(2)]);
    expect(await vault.find({ document: "b.png" })).toEqual([entry(3, "b.png")]);
    expect(await vault.find({ document: "ab".repeat(32) })).toHaveLength(3);
    expect(await vault.find({ fake: "somebody else" })).toEqual([]);
  });

  it("holds no text in the clear, is its owner's only, and no two files are alike", async () => {
    const [a, b] = [await filled(entry(1)), await filled(entry(1))];
    const bytes = await readFile(a);
    for (const text of ["Kalwitz", "Sandmann", "person", "a.png", key]) expect(bytes.includes(text)).toBe(false);
    expect((await stat(a)).mode & 0o777).toBe(0o600);
    const other = await readFile(b);
    expect(bytes.subarray(8, 100).equals(other.subarray(8, 100))).toBe(false);
    expect(bytes.subarray(headerBytes).equals(other.subarray(headerBytes))).toBe(false);
  });

  it("does not keep the same entry twice", async () => {
    const file = await filled(entry(1), entry(1));
    const again = await Vault.open(file, key, { create: true });
    await add(again, entry(1), entry(2));
    expect(await again.find()).toEqual([entry(1), entry(2)]);
  });

  it("opens with its key only, and tells nothing with another", async () => {
    const file = await filled(entry(1));
    const refused = await Vault.open(file, "another key altogether").catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "ERR_VAULT_KEY" });
    expect(JSON.stringify(refused)).not.toMatch(/Kalwitz|Sandmann|another key altogether/);
    await expect(Vault.open(file, "short")).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await expect(Vault.open(fresh(), key)).rejects.toMatchObject({ code: "ERR_VAULT_NOT_FOUND" });
    await expect(Vault.open(join(folder, "no", "folder"), key, { create: true })).rejects.toMatchObject({
      code: "ERR_OUTPUT",
    });
  });

  it("notices every changed byte and every shortening", async () => {
    const file = await filled(entry(1), entry(2));
    const bytes = await readFile(file);
    const broken = fresh();
    const marks = [100, headerBytes] as const;
    for (let at = 0; at < bytes.length; at += at < headerBytes ? 1 : 7) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      await writeFile(broken, changed);
      const result = await Vault.open(broken, key).then(
        (vault) => vault.find(),
        (error: { code: string }) => error.code,
      );
      // One of the two marks is enough: an append that was cut off there can be made up for.
      if (at >= marks[0] && at < marks[1]) expect(result, `byte ${at}`).toEqual([entry(1), entry(2)]);
      else expect(["ERR_VAULT_DAMAGED", "ERR_VAULT_KEY"], `byte ${at}`).toContain(result);
    }
    for (const length of [0, 5, 150, headerBytes, headerBytes + 40, bytes.length - 1]) {
      await writeFile(broken, bytes);
      await truncate(broken, length);
      await expect(Vault.open(broken, key), `${length} bytes`).rejects.toMatchObject({
        code: "ERR_VAULT_DAMAGED",
        message: expect.stringMatching(length < 8 ? /no vault/ : length < headerBytes ? /header/ : /shortened/),
      });
    }
    await writeFile(broken, "not a vault at all, just some text ".repeat(20));
    await expect(Vault.open(broken, key)).rejects.toMatchObject({ code: "ERR_VAULT_DAMAGED" });
    const later = Buffer.from(bytes);
    later[7] = "2".charCodeAt(0);
    await writeFile(broken, later);
    await expect(Vault.open(broken, key)).rejects.toMatchObject({ message: expect.stringContaining("version") });
  });

  it("takes no block of another vault, nor its own in another order", async () => {
    const [a, b] = [await filled(entry(1), entry(2)), await filled(entry(1), entry(2))];
    const [mine, other] = [await readFile(a), await readFile(b)];
    const length = 4 + 12 + 16 + mine.readUInt32BE(headerBytes);
    const first = mine.subarray(headerBytes, headerBytes + length);
    const second = mine.subarray(headerBytes + length);
    const file = fresh();
    for (const blocks of [[second, first], [other.subarray(headerBytes)], [first, first]]) {
      await writeFile(file, Buffer.concat([mine.subarray(0, headerBytes), ...blocks]));
      await expect(Vault.open(file, key)).rejects.toMatchObject({ code: "ERR_VAULT_DAMAGED" });
    }
  });

  it("goes on after an append that was cut off at any byte", async () => {
    const before = await filled(entry(1));
    const after = fresh();
    await copyFile(before, after);
    await add(await Vault.open(after, key), entry(2));
    const [old, grown] = [await readFile(before), await readFile(after)];
    const file = fresh();
    for (let cut = old.length; cut <= grown.length; cut += 11) {
      // The block is written first, the mark after it.
      await writeFile(file, Buffer.concat([old, grown.subarray(old.length, cut)]));
      const vault = await Vault.open(file, key);
      expect(await vault.find()).toEqual([entry(1)]);
      await add(vault, entry(3));
      expect(await (await Vault.open(file, key)).find()).toEqual([entry(1), entry(3)]);
    }
    await writeFile(file, Buffer.concat([old, grown.subarray(old.length)]));
    expect(await (await Vault.open(file, key)).find()).toEqual([entry(1), entry(2)]);
  });

  it("refuses to go on when the file was exchanged under its hands", async () => {
    const file = await filled(entry(1));
    const older = await readFile(file);
    const vault = await Vault.open(file, key);
    await add(vault, entry(2));
    await writeFile(file, older);
    await expect(add(vault, entry(3))).rejects.toMatchObject({ code: "ERR_VAULT_DAMAGED" });
  });
});

describe("several at once", () => {
  it("add to one vault in turns, and leave no lock", async () => {
    const bundle = join(resolve(import.meta.dirname, "../.."), ".cache", `vault-${process.pid}`);
    const file = fresh();
    try {
      await bundleInto(bundle, "src/replacement/vault.ts");
      const program = join(bundle, "add.mjs");
      await writeFile(
        program,
        `import { Vault } from "./vault.js";
import { existsSync, writeFileSync } from "node:fs";
const [file, who, go, ...others] = process.argv.slice(2);
const vault = await Vault.open(file, ${JSON.stringify(key)}, { create: true });
writeFileSync(go + who, "");
while (!others.every((other) => existsSync(go + other))) await new Promise((resolve) => setTimeout(resolve, 1));
for (let i = 0; i < 40; i++) {
  const entry = { ...${JSON.stringify(entry(0))}, fake: who + " number " + i };
  await vault.update(() => undefined, () => [entry]);
}`,
      );
      const run = promisify(execFile);
      const go = join(bundle, "ready-");
      await Promise.all(
        ["one", "two", "three"].map((who) => run(process.execPath, [program, file, who, go, "one", "two", "three"])),
      );
      const found = await (await Vault.open(file, key)).find();
      expect(found).toHaveLength(120);
      for (const who of ["one", "two", "three"]) {
        const own = found.filter(({ fake }) => fake.startsWith(who)).map(({ fake }) => fake);
        expect(own).toEqual(Array.from({ length: 40 }, (_, i) => `${who} number ${i}`));
      }
      expect((await readdir(folder)).filter((name) => /lock|tmp/.test(name))).toEqual([]);
    } finally {
      await rm(bundle, { recursive: true, force: true });
    }
  });

  it("a lock left by a killed process is taken over; a live one is waited for", async () => {
    const file = await filled(entry(1));
    await writeFile(`${file}.lock`, "999999999 1 gone\n");
    const vault = await Vault.open(file, key);
    await add(vault, entry(2));
    // The process id lives, but belongs to a process that started at another time.
    await writeFile(`${file}.lock`, `${process.pid} 1 earlier\n`);
    await add(vault, entry(3));
    expect(await vault.find()).toHaveLength(3);
  });
});

describe("one invented value", () => {
  it("never stands for two originals of different documents, once a vault remembers", async () => {
    const pseudonymizer = createPseudonymizer({ key });
    const vault = await Vault.open(fresh(), key, { create: true });
    const memory = createMemory(pseudonymizer, { vault });
    const document = { name: "x.png", sha256: "cd".repeat(32) };
    const keep = (text: string) =>
      memory.keep(
        document,
        (p) => p.replace(entitiesOf("person", [text]), { pageTexts: [] }),
        (made) => made,
      );
    const [first] = await keep("Greta Kalwitz");
    const [alone] = await pseudonymizer.replace(entitiesOf("person", ["Greta Kalwitz"]), { pageTexts: [] });
    expect(first!.fake).toBe(alone!.fake);
    // Another person whose first choice is the same value: here, by claiming it beforehand.
    const [birk] = await createPseudonymizer({ key }).replace(entitiesOf("person", ["Jonas Birk"]), { pageTexts: [] });
    const rival = birk!.fake;
    await add(vault, { ...entry(0), fake: rival, original: "Somebody Else" });
    const [second] = await keep("Jonas Birk");
    expect(plain(second!.fake)).not.toBe(plain(rival));
    expect((await keep("Jonas Birk"))[0]!.fake).toBe(second!.fake);
    expect((await keep("Greta Kalwitz"))[0]!.fake).toBe(first!.fake);
    // Looking claims nothing.
    const looked = await memory.look((p) => p.replace(entitiesOf("person", ["Nina Ost"]), { pageTexts: [] }));
    expect(vault.owners.isTaken(plain(looked[0]!.fake), ownerOf("person", "Anybody"))).toBe(false);
  });
});
