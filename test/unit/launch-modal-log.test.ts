/** Following the log of a call, with streams of our own in Modal's place. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { followCall } from "../../src/launch/modal/launcher.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

type Line = { message: string; source: string };
const callOf = (stream: () => AsyncGenerator<Line>) => ({ logs: { stream } }) as never;
const silent = { write: () => undefined };

it("keeps none of the lines it has written", async () => {
  const lines = 50_000;
  async function* stream(): AsyncGenerator<Line> {
    for (let i = 0; i < lines; i++) yield { message: `${i} ${"x".repeat(500)}\n`, source: "stdout" };
  }
  const { signal } = new AbortController();
  let written = 0;
  const before = heap();
  let after = before;
  const counting = {
    write: () => {
      if (++written === lines) after = heap();
    },
  };
  await followCall(callOf(stream), { stdout: counting, stderr: silent }, signal);
  expect(written).toBe(lines);
  expect((after - before) / lines).toBeLessThan(50);
});

it("leaves when it is told to, though no line comes", async () => {
  const controller = new AbortController();
  let text = "";
  async function* stream(): AsyncGenerator<Line> {
    yield { message: "one\n", source: "stdout" };
    yield { message: "two\n", source: "stderr" };
    await new Promise(() => undefined);
  }
  const note = {
    write: (line: string) => {
      text += line;
      if (line === "two\n") setImmediate(() => controller.abort());
    },
  };
  await followCall(callOf(stream), { stdout: note, stderr: note }, controller.signal);
  expect(text).toBe("one\ntwo\n");
  await followCall(callOf(stream), { stdout: note, stderr: note }, AbortSignal.abort());
  expect(text).toBe("one\ntwo\n");
});
