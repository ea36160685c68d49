import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Two cores: a second file at a time would only take them from the first one's LibTorch threads.
    maxWorkers: 1,
    // What a user has installed for reading must not decide what the tests see.
    env: { XDG_DATA_HOME: join(import.meta.dirname, ".cache", "no-data") },
    testTimeout: 120_000,
    hookTimeout: 300_000,
    reporters: ["default", "./test/reporter.ts"],
  },
});
