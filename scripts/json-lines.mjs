import { readFileSync } from "node:fs";

/** Values of a file with one of JSON in each line. */
export const jsonLines = (file) =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
