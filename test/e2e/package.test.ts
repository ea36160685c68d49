/** The tarball that npm would publish, installed in another package and used there under every supported Node. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entityTypes } from "../../src/detection/entity.ts";
import { root, tinyFolder } from "../helpers/tiny.ts";

const run = promisify(execFile);
const nodes = ["22.23.3", "24.9.0"];
const libtorch = join(root, ".venv", "lib", readdirSync(join(root, ".venv", "lib"))[0]!, "site-packages", "torch");
let folder: string;

/** Node of another major version, from its npm package; kept between runs. */
async function installNode(version: string): Promise<string> {
  const cache = join(root, ".cache", "node", version);
  const binary = join(cache, "node_modules", `node-linux-${process.arch}`, "bin", "node");
  if (!existsSync(binary)) {
    mkdirSync(cache, { recursive: true });
    await run("npm", [
      "install",
      "--prefix",
      cache,
      "--no-save",
      "--no-audit",
      `node-linux-${process.arch}@${version}`,
    ]);
  }
  return binary;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "anonymizer-consumer-"));
  await run(process.execPath, ["scripts/prebuild.mjs"], { cwd: root });
  const { stdout } = await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], {
    cwd: root,
  });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await run("npm", ["install", "--no-audit", "--prefer-offline", join(folder, stdout.trim())], {
    cwd: folder,
    maxBuffer: 1 << 26,
  });
  cpSync(tinyFolder("vae"), join(folder, "vae"), { recursive: true });
  writeFileSync(
    join(folder, "use.mjs"),
    `import { readdirSync } from "node:fs";
import { Anonymizer, entityTypes, UNetTrainer, VAETrainer } from "anonymizer-native";
const trainer = await VAETrainer.create({
  kind: "vae", model: { path: "vae" }, data: { manifest: "data/manifest.jsonl", height: 32, width: 64 },
  loss: { reduction: "mean", perceptual_weight: 0 }, train_batch_size: 2, gradient_accumulation_steps: 1, max_train_steps: 2, precision: "fp32",
  lr_scheduler: { type: "constant", warmup_steps: 0 }, output_dir: "run-" + (process.env.RUN ?? process.versions.node),
});
let loss;
for await (const event of trainer.train()) if (event.type === "step") loss = event.losses.total;
await trainer.close();
const anonymizer = await Anonymizer.create({ engine: "auto", types: ["date"] });
const { report } = await anonymizer.anonymize("data/images/" + readdirSync("data/images").sort()[0]);
await anonymizer.close();
console.log(JSON.stringify({ node: process.versions.node, finite: Number.isFinite(loss), types: entityTypes.length, unet: typeof UNetTrainer.create, engine: report.engine.chosen }));
`,
  );
  await run(
    join(folder, "node_modules", ".bin", "anonymizer-train"),
    ["data", "synth", "--out", "data", "--count", "4"],
    { cwd: folder },
  );
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the packed package", () => {
  it.each([process.versions.node, ...nodes])("trains and anonymizes under Node %s", async (version) => {
    const node = version === process.versions.node ? process.execPath : await installNode(version);
    const { stdout } = await run(node, ["use.mjs"], { cwd: folder, env: { ...process.env, LIBTORCH: libtorch } });
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toEqual({
      node: version,
      finite: true,
      types: entityTypes.length,
      unet: "function",
      engine: "diffusion",
    });
  });

  it("carries types that check", async () => {
    writeFileSync(
      join(folder, "use.ts"),
      `import { Anonymizer, type TrainingEvent, VAETrainer } from "anonymizer-native";
const result = await (await Anonymizer.create({ engine: "classical" })).anonymize("scan.png");
const proven: boolean = result.report.proven;
export function show(event: TrainingEvent): string { return event.type === "step" ? String(event.losses["total"]) : event.type; }
export const trainer: Promise<VAETrainer> = VAETrainer.create("vae.yaml");
// @ts-expect-error an engine that does not exist
void Anonymizer.create({ engine: "magic" });
export { proven };
`,
    );
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: "nodenext",
      target: "es2023",
      skipLibCheck: true,
      typeRoots: [join(root, "node_modules", "@types")],
      types: ["node"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
    await run(join(root, "node_modules", ".bin", "tsc"), ["-p", "."], { cwd: folder }).catch(
      (error: { stdout: string }) => {
        throw new Error(error.stdout);
      },
    );
  });

  it("works without LibTorch for anonymizing, and names what is missing for training", async () => {
    const env = { ...process.env, LIBTORCH: join(folder, "nothing"), RUN: "without" };
    const failed = await run(process.execPath, ["use.mjs"], { cwd: folder, env }).catch(
      (error: { stderr: string }) => error,
    );
    expect(failed.stderr).toContain("ERR_LIBTORCH_NOT_FOUND");
    const doctor = join(folder, "node_modules", ".bin", "anonymizer");
    const { stdout } = await run(doctor, ["doctor", "--json"], { cwd: folder, env });
    expect(stdout).toContain("ERR_LIBTORCH_NOT_FOUND");
  });

  it("holds no sources of tests, no scanned documents and no weights but those of the small models", async () => {
    const files = readdirSync(join(folder, "node_modules", "anonymizer-native"), { recursive: true }).map(String);
    const weights = ["glyph_encoder", "unet", "vae"].map((part) => `models/document-small/${part}/model.safetensors`);
    expect(
      files.filter((file) => /^(test|shared|demo-out|models\/tiny)|\.(safetensors|jpg|jpeg)$/.test(file)).sort(),
    ).toEqual(weights);
    expect(files.some((file) => /^prebuilds\/linux-\w+\/anonymizer-native-torch-2\.13\.node$/.test(file))).toBe(true);
    expect(files).toContain("scripts/export_models.py");
  });
});
