import { expect, it } from "vitest";
import { createGate, inParallel } from "../../src/in-parallel.ts";

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it("gives the results in the order of the items, whichever ends first", async () => {
  const items = new Set([5, 1, 3]);
  const made = await inParallel(items, 3, async (item, _signal, index) => {
    await wait(item);
    return `${index}:${item}`;
  });
  expect(made).toEqual(["0:5", "1:1", "2:3"]);
});

it("work in parallel ends when all that was begun has ended", async () => {
  let running = 0;
  const failing = inParallel([1, 2, 3, 4], 2, async (item) => {
    running++;
    await wait(item * 5);
    running--;
    if (item === 1) throw new Error("first");
  });
  await expect(failing).rejects.toThrow("first");
  expect(running).toBe(0);
  expect(await inParallel([], 3, async () => 1)).toEqual([]);
});

it("tells what is under way of the first failure, and begins nothing new", async () => {
  const begun: number[] = [];
  const stopped: number[] = [];
  const failing = inParallel([0, 1, 2], 2, async (item, signal) => {
    begun.push(item);
    if (item === 0) throw new Error("first");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    stopped.push(item);
    throw new Error("second");
  });
  await expect(failing).rejects.toThrow("first");
  expect([begun, stopped]).toEqual([[0, 1], [1]]);
});

it("is stopped from outside with the caller's reason", async () => {
  const outer = new AbortController();
  const running = inParallel(
    [0, 1, 2],
    1,
    async (_item, signal) => {
      outer.abort("enough");
      throw signal.reason;
    },
    outer.signal,
  );
  await expect(running).rejects.toMatchObject({ code: "ERR_ABORTED", cause: "enough" });
});

it("a gate lets few run at a time, whoever asks, and goes on after a failure", async () => {
  const gate = createGate(2);
  let [now, most] = [0, 0];
  const outcomes = await Promise.allSettled(
    [0, 1, 2, 3, 4].map((item) =>
      gate(async () => {
        most = Math.max(most, ++now);
        await wait(2);
        now--;
        if (item === 1) throw new Error("one fails");
        return item;
      }),
    ),
  );
  expect(most).toBe(2);
  expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual([true, false, true, true, true]);
});
