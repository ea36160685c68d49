/** Ends every run with one plain line of counts, and prints why a test was skipped. */
import type { Reporter, TestCase, TestModule } from "vitest/node";

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests() as Iterable<TestCase>) {
        const result = test.result();
        counts[result.state]++;
        if (result.state === "skipped")
          console.log(`skipped: ${test.fullName}${result.note ? ` (${result.note})` : ""}`);
      }
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
