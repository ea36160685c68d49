import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listDocuments, removeStaleTemporaries, writeFileAtomic } from "../../src/documents/files.ts";
import { resolveInside } from "../../src/documents/inside-folder.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "files-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const code = (value: string) => expect.objectContaining({ code: value });
const png = () =>
  sharp({ create: { width: 2, height: 2, channels: 3, background: "#fff" } })
    .png()
    .toBuffer();

describe("writing a file", () => {
  it("leaves exactly that file", async () => {
    const path = join(folder, "out.bin");
    await writeFileAtomic(path, "first");
    await writeFileAtomic(path, Buffer.from("second"));
    expect(await readFile(path, "utf8")).toBe("second");
    expect(await readdir(folder)).toEqual(["out.bin"]);
  });

  it("that can't be written keeps what was there and leaves no temporary file", async () => {
    const path = join(folder, "taken");
    await mkdir(join(path, "inside"), { recursive: true });
    await expect(writeFileAtomic(path, "x")).rejects.toEqual(code("ERR_OUTPUT"));
    await expect(writeFileAtomic(join(folder, "no", "such", "folder"), "x")).rejects.toEqual(code("ERR_OUTPUT"));
    expect(await readdir(folder)).toEqual(["taken"]);
    expect(await readdir(path)).toEqual(["inside"]);
  });

  it("that was aborted writes nothing", async () => {
    await expect(writeFileAtomic(join(folder, "a"), "x", { signal: AbortSignal.abort() })).rejects.toEqual(
      code("ERR_ABORTED"),
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it("works for names as long as the file system allows", async () => {
    const name = "n".repeat(255);
    await writeFileAtomic(join(folder, name), "x");
    expect(await readdir(folder)).toEqual([name]);
  });
});

describe("temporary files of killed processes", () => {
  it("are removed, those of running ones and other files stay", async () => {
    const dead = ".anonymizer-999999999-0123456789ab.tmp";
    const living = `.anonymizer-${process.pid}-0123456789ab.tmp`;
    for (const name of [dead, living, "notes.tmp"]) await writeFile(join(folder, name), "");
    expect(await removeStaleTemporaries(folder)).toEqual([dead]);
    expect((await readdir(folder)).sort()).toEqual([living, "notes.tmp"]);
    expect(await removeStaleTemporaries(join(folder, "nowhere"))).toEqual([]);
  });
});

describe("listing documents", () => {
  it("finds them by content in all subfolders, sorted, without hidden files and links", async () => {
    await mkdir(join(folder, "b", "c"), { recursive: true });
    await mkdir(join(folder, ".cache"));
    for (const name of ["z.png", "b/scan.dat", "b/c/1", "Large.PNG", ".cache/x.png", ".hidden.png"])
      await writeFile(join(folder, name), await png());
    await writeFile(join(folder, "fake.png"), "text");
    await symlink(join(folder, "z.png"), join(folder, "link.png"));
    const found = await listDocuments(folder);
    expect(found.map((path) => relative(folder, path))).toEqual(["Large.PNG", "b/c/1", "b/scan.dat", "z.png"]);
  });

  it("gives a single file as itself", async () => {
    const path = join(folder, "one");
    await writeFile(path, await png());
    expect(await listDocuments(path)).toEqual([path]);
  });

  it("says when there is nothing, or nothing of use", async () => {
    await expect(listDocuments(folder)).rejects.toEqual(code("ERR_DOCUMENT_EMPTY"));
    await expect(listDocuments(join(folder, "nowhere"))).rejects.toEqual(code("ERR_DOCUMENT_NOT_FOUND"));
    await writeFile(join(folder, "a.txt"), "text");
    await expect(listDocuments(folder)).rejects.toEqual(code("ERR_DOCUMENT_EMPTY"));
    await expect(listDocuments(join(folder, "a.txt"))).rejects.toEqual(code("ERR_DOCUMENT_FORMAT"));
  });
});

describe("a path from a user", () => {
  it("is found inside its root, whether it exists or not", async () => {
    await mkdir(join(folder, "a"));
    expect(await resolveInside(folder, "a/new.png")).toBe(join(folder, "a", "new.png"));
    expect(await resolveInside(folder, "a/../b")).toBe(join(folder, "b"));
    expect(await resolveInside(folder, ".")).toBe(folder);
  });

  it.each(["../x", "a/../../x", "/etc/passwd", "a\0b"])("may not be %j", async (path) => {
    await expect(resolveInside(folder, path)).rejects.toEqual(code("ERR_PATH_OUTSIDE_ROOT"));
  });

  it("may not lead out through a link to a folder, to a file, or to nothing yet", async () => {
    const root = join(folder, "root");
    await mkdir(root);
    await writeFile(join(folder, "secret"), "");
    await symlink(folder, join(root, "up"));
    await symlink(join(folder, "secret"), join(root, "file"));
    await symlink(join(folder, "later"), join(root, "dangling"));
    for (const path of ["up/secret", "up/new/deep", "file", "dangling"]) {
      await expect(resolveInside(root, path)).rejects.toEqual(code("ERR_PATH_OUTSIDE_ROOT"));
    }
  });

  it("may go through links that stay inside, and the root may be a link itself", async () => {
    const root = join(folder, "root");
    await mkdir(join(root, "real"), { recursive: true });
    await symlink(join(root, "real"), join(root, "alias"));
    await symlink(root, join(folder, "rootlink"));
    expect(await resolveInside(root, "alias/x")).toBe(join(root, "alias", "x"));
    expect(await resolveInside(join(folder, "rootlink"), "real/x")).toBe(join(root, "real", "x"));
  });

  it("does not mistake a neighbour with the same beginning for the root", async () => {
    await mkdir(join(folder, "root"));
    await mkdir(join(folder, "root2"));
    await expect(resolveInside(join(folder, "root"), "../root2/x")).rejects.toEqual(code("ERR_PATH_OUTSIDE_ROOT"));
  });
});
