/** Pulls a model as a process of its own. Argument: JSON. Prints where it is. */
import { pullModel } from "../../src/index.ts";

const { address, folder, hold } = JSON.parse(process.argv[2]!) as { address: string; folder: string; hold?: boolean };
const pulled = await pullModel(address, { cache: { folder } });
process.stdout.write(`${JSON.stringify(pulled)}\n`);
if (hold) setInterval(() => undefined, 1000);
