/** Done, a job to ask for, not proven, no room. Everything else is a failure. */
const expected = ["200", "202", "422", "429"];
/** Of the last third's memory to the first third's. */
const mostGrowth = 1.1;

/** What must not be in a result of the benchmark of the server: one line each. */
export function serveProblems({ answers, resident_MiB: memory }) {
  const problems = Object.entries(answers)
    .filter(([status]) => !expected.includes(status))
    .map(([status, count]) => `${count} answers were ${status}`);
  if (!answers[200]) problems.push("No document was answered with its result");
  // So written that no measurement is a failure too.
  if (!(memory.last_third <= mostGrowth * memory.first_third))
    problems.push(`Memory grew from ${memory.first_third} to ${memory.last_third} MiB`);
  return problems;
}
