/** Loads Modal's SDK only where something is launched. */
import type { ModalLauncher } from "./launcher.ts";

/** Rejects with ERR_LAUNCH_PACKAGE, ERR_LAUNCH_CREDENTIALS. */
export async function openModalLauncher(options: { readonly environment?: string } = {}): Promise<ModalLauncher> {
  const { ModalLauncher } = await import("./launcher.ts");
  return ModalLauncher.open(options);
}
