import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { resolveKey, resolveVaultKey } from "../../src/config/secret-key.ts";

const secret = "0123456789abcdef0123";
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "key-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("reads a key file of mode 600 and trims it", async () => {
  const file = join(folder, "good");
  await writeFile(file, `${secret}\n`, { mode: 0o600 });
  expect(await resolveKey({ key_file: file }, {})).toBe(secret);
});

it("refuses a key file that others can read, naming the cure and not the key", async () => {
  const file = join(folder, "open");
  await writeFile(file, secret);
  await chmod(file, 0o644);
  const error = await resolveKey({ key_file: file }, {}).catch((e: Error) => e);
  expect(error).toMatchObject({ code: "ERR_CONFIG_INVALID" });
  expect(String(error)).toContain("chmod 600");
  expect(JSON.stringify(error)).not.toContain(secret);
});

it("falls back to the environment, then to nothing", async () => {
  expect(await resolveKey({}, { ANONYMIZER_KEY: secret })).toBe(secret);
  expect(await resolveKey({}, {})).toBeUndefined();
  await expect(resolveKey({}, { ANONYMIZER_KEY: "short" })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  await expect(resolveKey({ key_file: join(folder, "none") }, {})).rejects.toMatchObject({
    code: "ERR_CONFIG_NOT_FOUND",
  });
});

it("a vault has a key of its own where one is given, else that of the invented values", async () => {
  const file = join(folder, "vault");
  await writeFile(file, `${secret} of the vault`, { mode: 0o600 });
  const own = { ANONYMIZER_VAULT_KEY: `${secret} environment` };
  expect(await resolveVaultKey({ vault_key_file: file }, secret, own)).toBe(`${secret} of the vault`);
  expect(await resolveVaultKey({}, secret, own)).toBe(`${secret} environment`);
  expect(await resolveVaultKey({}, secret, {})).toBe(secret);
  await expect(resolveVaultKey({}, undefined, {})).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  await chmod(file, 0o644);
  await expect(resolveVaultKey({ vault_key_file: file }, secret, {})).rejects.toMatchObject({
    code: "ERR_CONFIG_INVALID",
    message: expect.stringContaining("chmod 600"),
  });
});
