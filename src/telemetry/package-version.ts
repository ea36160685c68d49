/** Version of this package, for reports and checkpoints. */
import manifest from "../../package.json" with { type: "json" };

export const packageVersion: string = manifest.version;
