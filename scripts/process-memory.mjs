import { readFileSync } from "node:fs";

/**
 * Bytes that a process has in RAM ("VmRSS"), or had at most ("VmHWM"), on Linux. `resourceUsage().maxRSS` has what the
 * process that started it had, too.
 */
export const residentBytes = (key, pid = "self") =>
  1024 * Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);

/** Most memory of a process. */
export const peakMiB = (pid) => Math.round(residentBytes("VmHWM", pid) / 2 ** 20);
