import { describe, expect, it } from "vitest";
import { createProgress, formatDuration, renderBar } from "../../src/telemetry/progress.ts";

/** Back to the start of the line, and erase it. */
const clear = "\r\x1b[2K";

function terminal(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => void written.push(text) };
}

describe("progress in a terminal", () => {
  it("redraws one line with bar, count, remaining time and details", () => {
    const stream = terminal(true);
    const progress = createProgress({ label: "vae", total: 100, stream, now: () => 0 });
    progress.update(50, "loss 0.12", 65);
    expect(stream.written[0]!.startsWith(clear)).toBe(true);
    expect(stream.written[0]!.slice(clear.length)).toMatch(/^vae ▕█+ +▏ +50\/100 {2}ETA 1:05 {2}loss 0\.12$/);
  });

  it("draws no more often than every 80 ms, but always the last one", () => {
    const stream = terminal(true);
    let time = 0;
    const progress = createProgress({ label: "a", total: 100, stream, now: () => time });
    for (let i = 1; i <= 100; i++) {
      time += 10;
      progress.update(i);
    }
    expect(stream.written.length).toBeGreaterThan(10);
    expect(stream.written.length).toBeLessThan(16);
    expect(stream.written.at(-1)).toContain("100/100");
  });

  it("never draws beyond the width, and puts notes above the bar", () => {
    const stream = terminal(true, 40);
    const progress = createProgress({ label: "a long label", total: 9, stream, now: () => 0 });
    progress.update(3, "x".repeat(100));
    expect(stream.written[0]!.replace(clear, "").length).toBeLessThan(40);
    progress.note("warning");
    expect(stream.written[1]!.startsWith(`${clear}warning\na long label`)).toBe(true);
  });
});

describe("progress in a file", () => {
  it("writes plain lines, about twenty, without escape codes", () => {
    const stream = terminal(false);
    const progress = createProgress({ label: "vae", total: 1000, stream });
    for (let i = 1; i <= 1000; i++) progress.update(i, `loss ${i}`, 10);
    progress.note("checkpoint");
    progress.end("done");
    expect(stream.written.length).toBeGreaterThan(15);
    expect(stream.written.length).toBeLessThan(26);
    expect(stream.written.join("")).not.toContain("\x1b");
    expect(stream.written.every((line) => line.endsWith("\n"))).toBe(true);
    expect(stream.written.at(-3)).toContain("1000/1000");
  });
});

it("formats durations", () => {
  expect([0, 9, 65, 3599.6, 3661, undefined, Number.NaN].map((s) => formatDuration(s))).toEqual([
    "0:00",
    "0:09",
    "1:05",
    "1:00:00",
    "1:01:01",
    "--:--",
    "--:--",
  ]);
});

it("draws a bar in eighths, always of the same width", () => {
  expect(renderBar(0, 4)).toBe("    ");
  expect(renderBar(1, 4)).toBe("████");
  expect(renderBar(0.5, 4)).toBe("██  ");
  expect(renderBar(9 / 32, 4)).toBe("█▏  ");
  for (let i = 0; i <= 100; i++) expect([...renderBar(i / 100, 7)]).toHaveLength(7);
});
