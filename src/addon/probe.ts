/** Run in a child process by diagnose(): loads the addon and reports what it says of itself. */
import { AnonymizerError } from "../errors.ts";
import { loadNative } from "./binding.ts";

try {
  const native = await loadNative();
  process.send?.({ info: native.info() });
} catch (error) {
  const known = error instanceof AnonymizerError;
  process.send?.({
    error: {
      code: known ? error.code : "ERR_LIBTORCH_LOAD",
      message: error instanceof Error ? error.message : String(error),
      cure: known ? error.cure : "",
    },
  });
}
