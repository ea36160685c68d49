/** Gives the event loop a turn between two pieces of computation. */
export const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
