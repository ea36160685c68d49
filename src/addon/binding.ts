/** The addon as the rest of the package uses it: loaded once per thread, with errors of src/errors.ts. */
import { codedError, isErrorCode } from "../errors.ts";
import { loadAddon } from "./load.ts";
import type { NativeBinding, NativePipelineOptions } from "./native-types.ts";

/** A native error → the error class of its code. Others pass. */
function translate(error: unknown): unknown {
  if (error instanceof Error && isErrorCode((error as { code?: unknown }).code)) {
    return codedError((error as unknown as { code: Parameters<typeof codedError>[0] }).code, error.message, {
      cause: error,
    });
  }
  return error;
}

function translated<T>(call: () => T): T {
  try {
    const result = call();
    if (result instanceof Promise) {
      return result.catch((error) => {
        throw translate(error);
      }) as T;
    }
    return result;
  } catch (error) {
    throw translate(error);
  }
}

/** Every method of a native object with its errors translated. */
function withCodedErrors<T extends object>(target: T): T {
  return new Proxy(target, {
    get(object, key) {
      const value = Reflect.get(object, key, object) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => translated(() => Reflect.apply(value, object, args) as unknown);
    },
  });
}

let loading: Promise<NativeBinding> | undefined;

/**
 * LibTorch and the addon, loaded at the first call.
 * @throws ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION, ERR_LIBTORCH_LOAD, ERR_ADDON_NOT_BUILT
 */
export function loadNative(): Promise<NativeBinding> {
  loading ??= loadAddon()
    .then(({ native }) => {
      // The environment's own clean-up comes after LibTorch's static destructors when the process exits; this comes before.
      process.on("exit", () => native.stopAll());
      const binding = withCodedErrors(native);
      return new Proxy(binding, {
        get(object, key) {
          if (key === "then") return undefined;
          if (key === "createTrainer")
            return async (...args: Parameters<NativeBinding["createTrainer"]>) =>
              withCodedErrors(await object.createTrainer(...args));
          if (key === "createPipeline")
            return async (options: NativePipelineOptions) => withCodedErrors(await object.createPipeline(options));
          return Reflect.get(object, key) as unknown;
        },
      });
    })
    .catch((error) => {
      loading = undefined; // what was missing may be installed before the next try
      throw error;
    });
  return loading;
}
