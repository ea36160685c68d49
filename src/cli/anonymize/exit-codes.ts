/** What the process exits with. */
export const exitCodes = {
  /** Everything asked for was done; every result is proven. */
  fine: 0,
  /** The command itself failed. */
  failed: 1,
  usage: 2,
  /** Some documents could not be proven; they were not written. */
  unproven: 3,
  /** Some documents failed. */
  documentsFailed: 4,
  /** Stopped by SIGINT or SIGTERM; what is done stays done. */
  interrupted: 130,
} as const;

/** For `--help`. */
export const exitCodesText = `
Exit codes:
  0    every document is proven and written
  1    the command failed: configuration, key, vault, output folder, standard output
  2    wrong usage
  3    some documents could not be proven; they were not written
  4    some documents failed (with 3 as well: 4)
  130  interrupted; run again to go on`;
