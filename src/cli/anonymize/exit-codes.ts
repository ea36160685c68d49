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
  interrupted: 130,
} as const;
