/** When the benchmark of the server fails. */
import { expect, it } from "vitest";
// @ts-expect-error -- a script without types
import { serveProblems } from "../../bench/serve-problems.mjs";

const result = (answers: Record<string, number>, first: number, last: number) => ({
  answers,
  resident_MiB: { first_third: first, last_third: last },
});

it("passes where all are answered, some are sent away, and memory stays", () => {
  expect(serveProblems(result({ 200: 90, 202: 1, 422: 2, 429: 30 }, 400, 440))).toEqual([]);
});

it.each([
  [result({ 200: 90, 500: 1, 503: 2 }, 400, 400), ["1 answers were 500", "2 answers were 503"]],
  [result({ 429: 90 }, 400, 400), ["No document was answered with its result"]],
  [result({ 200: 90 }, 400, 441), ["Memory grew from 400 to 441 MiB"]],
  [result({ 200: 90 }, Number.NaN, Number.NaN), ["Memory grew from NaN to NaN MiB"]],
])("fails with %j", (measured, problems) => {
  expect(serveProblems(measured)).toEqual(problems);
});
