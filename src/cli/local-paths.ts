/** Options and arguments that take a path of this machine: an address there would be read as a folder named "r2:". */
import type { Command } from "commander";
import { refuseAddress } from "../addresses.ts";

/** How options and arguments that are paths are named; `<place>`, `<store>` and `<address>` also take addresses. */
const pathOption = /[<[](?:dir|file|path)\b/;
const pathArguments: readonly string[] = ["inputs", "file", "files", "folder", "path", "manifest", "source"];

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
  for (const value of Array.isArray(given) ? given : [given]) refuseAddress(value, name, "ERR_USAGE");
}
