/** `--set key=value` of the command line. */
import { parse } from "yaml";
import { codedError } from "../errors.ts";

/**
 * Reads assignments like "optimizer.learning_rate=1e-4" or "freeze=[encoder]". Values are YAML, so numbers, lists and
 * texts read as they would in the file. Throws ERR_USAGE.
 */
export function parseOverrides(assignments: readonly string[]): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const assignment of assignments) {
    const equals = assignment.indexOf("=");
    const key = assignment.slice(0, equals).trim();
    if (equals < 1 || !/^[a-z0-9_]+(\.[a-z0-9_]+)*$/i.test(key)) {
      throw codedError("ERR_USAGE", `--set takes key=value with a dotted key, not ${JSON.stringify(assignment)}`);
    }
    try {
      overrides[key] = parse(assignment.slice(equals + 1));
    } catch (error) {
      throw codedError("ERR_USAGE", `--set ${key}: the value is not valid YAML`, { cause: error });
    }
  }
  return overrides;
}
