/** Options and arguments that take a path of this machine: an address there would be read as a folder named "r2:". */
import type { Command } from "commander";
import { codedError } from "../index.ts";

/** How options and arguments that are paths are named; `<place>`, `<store>` and `<address>` also take addresses. */
const pathOption = /[<[](?:dir|file|path)\b/;
const pathArguments: readonly string[] = ["inputs", "file", "files", "folder", "path", "manifest", "source"];
const address = /^([a-z][a-z0-9+.-]*):\/\//i;

/** Refuses addresses (r2://, s3://, file://, https:// …) where a command of `program` takes a path: ERR_USAGE. */
export function refuseAddresses(program: Command): void {
  program.hook("preAction", (_program, command) => {
    for (let owner: Command | null = command; owner !== null; owner = owner.parent) {
      for (const option of owner.options)
        if (pathOption.test(option.flags)) check(option.long!, owner.opts()[option.attributeName()]);
    }
    for (const [i, argument] of command.registeredArguments.entries())
      if (pathArguments.includes(argument.name())) check(`<${argument.name()}>`, command.processedArgs[i]);
  });
}

function check(name: string, given: unknown): void {
  for (const value of Array.isArray(given) ? given : [given]) {
    const scheme = typeof value === "string" ? address.exec(value)?.[1] : undefined;
    // The address is not repeated: it may hold a password.
    if (scheme !== undefined)
      throw codedError("ERR_USAGE", `${name} takes a path of this machine, not an address (${scheme}://…)`, {
        cure: "Bring it here first, or send it afterwards: `anonymizer models pull|push`, `anonymizer-train data pull|push`. A training goes on from its checkpoint.store with --resume auto.",
      });
  }
}
