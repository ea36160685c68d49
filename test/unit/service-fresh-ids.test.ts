/** Ids of jobs and requests in processes that share Node's random state, as after the restore of a memory snapshot. */
import { afterEach, expect, it, vi } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { createServer } from "../../src/service/create-server.ts";
import { freshId } from "../../src/service/fresh-id.ts";
import { fakeAnonymizer } from "../helpers/fake-anonymizer.ts";

const uuid = "11111111-1111-4111-8111-111111111111";
vi.mock("node:crypto", async (original) => ({
  ...(await original<typeof import("node:crypto")>()),
  randomUUID: () => uuid,
  randomBytes: (size: number) => Buffer.alloc(size, 1),
  randomFillSync: (bytes: Uint8Array) => bytes.fill(1),
}));
afterEach(() => void vi.restoreAllMocks());

it("are UUIDs of version 4 that never repeat", () => {
  const ids = Array.from({ length: 500 }, freshId);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(500);
});

it("of the server differ where Node's random numbers don't", async () => {
  vi.spyOn(globalThis.crypto, "randomUUID").mockReturnValue(uuid);
  vi.spyOn(globalThis.crypto, "getRandomValues").mockImplementation((bytes) => bytes);
  const ids = new Set<string | null>();
  for (let i = 0; i < 2; i++) {
    const anonymizer = fakeAnonymizer(await loadConfig({ service: { port: 0 } }, "anonymizer"));
    const server = await createServer({}, { anonymizer, environment: {} });
    const url = await server.listen();
    await server.ready;
    const { headers } = await fetch(`${url}/anonymize-document`, {
      method: "POST",
      body: "proven",
      headers: { "Content-Type": "application/octet-stream" },
    });
    ids.add(headers.get("anonymizer-job")).add(headers.get("x-request-id"));
    await server.close();
  }
  expect(ids.size).toBe(4);
  expect(ids).not.toContain(null);
});
