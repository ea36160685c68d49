/** Detection on the true lines of real receipts. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { measureDetection } from "../../bench/detection.bench.ts";
import { root } from "../helpers/tiny.ts";

const data = join(root, "..", "shared", "data");
const missing = !existsSync(join(data, "receipts"));
if (missing) console.log(`skipped: ${data} is not there`);

describe.skipIf(missing)("on real receipts", () => {
  it("finds company, address and date, leaves totals alone, and hits little else", async () => {
    const table = await measureDetection(data);
    expect(table.company).toBeGreaterThan(0.95);
    expect(table.address).toBeGreaterThan(0.95);
    expect(table.date).toBeGreaterThan(0.98);
    expect(table.totalHit).toBe(0);
    expect(table.otherHitSender).toBeLessThan(0.04);
  });
});
