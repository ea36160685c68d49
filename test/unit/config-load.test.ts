import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configHash } from "../../src/anonymizer/identity.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { parseOverrides } from "../../src/config/overrides.ts";
import { type ConfigKind, configJsonSchema, configKinds } from "../../src/config/schemas.ts";
import { entityTypes } from "../../src/detection/entity.ts";
import type { AnonymizerError } from "../../src/errors.ts";

const configs = resolve(import.meta.dirname, "../../configs");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "config-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(text: string, name = "a.yaml"): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

async function failure(promise: Promise<unknown>): Promise<AnonymizerError> {
  return promise.then(
    () => {
      throw new Error("should have failed");
    },
    (error: AnonymizerError) => error,
  );
}

const vae = (extra = ""): string =>
  `kind: vae\nmodel:\n  path: m/vae\ndata:\n  manifest: d/manifest.jsonl\nloss:\n  reduction: mean\n  perceptual_weight: 0\n${extra}`;

describe("shipped configurations", () => {
  it("are all valid", async () => {
    const files = [
      ...(await readdir(configs)),
      ...(await readdir(join(configs, "presets"))).map((f) => `presets/${f}`),
    ];
    const yaml = files.filter((f) => f.endsWith(".yaml"));
    expect(yaml.sort()).toEqual([
      "engine.yaml",
      "presets/document-small-unet.yaml",
      "presets/document-small-vae.yaml",
      "presets/tiny-unet.yaml",
      "presets/tiny-vae.yaml",
      "unet.yaml",
      "vae-decoder.yaml",
      "vae-ldm.yaml",
      "vae.yaml",
    ]);
    for (const file of yaml) {
      const config = await loadConfig(join(configs, file));
      if ("preset" in config) expect(config.preset).toBe(basename(file, ".yaml"));
    }
  });

  it("vae.yaml carries the sourced numbers of the mean form", async () => {
    const config = await loadConfig(join(configs, "vae.yaml"), "vae");
    expect(config).toMatchObject({
      loss: { reduction: "mean", reconstruction: "mse", kl_weight: 0.00025, perceptual_weight: 0.1 },
      optimizer: { learning_rate: 5e-4, weight_decay: 0.01, max_grad_norm: 1, eps: 1e-8, betas: [0.9, 0.999] },
      lr_scheduler: { type: "cosine_with_restarts", warmup_steps: 1000, cycles: 3 },
      train_batch_size: 16,
      gradient_accumulation_steps: 2,
      precision: "bf16",
      augment: { rotation: 5, brightness: 0.1, contrast: 0.1 },
    });
  });

  it("vae-ldm.yaml carries the sourced numbers of the sum form", async () => {
    const config = await loadConfig(join(configs, "vae-ldm.yaml"), "vae");
    expect(config.loss).toEqual({ reduction: "sum", reconstruction: "mse", kl_weight: 1e-6, perceptual_weight: 0.5 });
    expect(config.optimizer.learning_rate).toBe(4.5e-6);
  });

  it("engine.yaml states the defaults and every entity type", async () => {
    const fromFile = await loadConfig(join(configs, "engine.yaml"), "anonymizer");
    expect(fromFile).toEqual(await loadConfig({}, "anonymizer"));
    expect([...fromFile.types].sort()).toEqual([...entityTypes].sort());
  });
});

describe("the sampler of the diffusion engine", () => {
  it("is one of three, and takes no more steps than it can", async () => {
    for (const diffusion of [
      { sampler: "euler" },
      { sampler: "dpmpp_2m", steps: 999 },
      { sampler: "unipc", steps: 999 },
    ]) {
      const error = await failure(loadConfig({ diffusion } as never, "anonymizer"));
      expect(error.code).toBe("ERR_CONFIG_INVALID");
      expect(error.message).toMatch(/diffusion\.(sampler|steps)/);
    }
    for (const sampler of ["ddim", "dpmpp_2m", "unipc"] as const)
      expect((await loadConfig({ diffusion: { sampler } }, "anonymizer")).diffusion).toMatchObject({
        sampler,
        steps: "auto",
      });
    expect((await loadConfig({ diffusion: { steps: 1000 } }, "anonymizer")).diffusion.sampler).toBe("auto");
  });

  it("changes the hash of the configuration", async () => {
    const hash = async (sampler: "ddim" | "unipc") =>
      configHash(await loadConfig({ diffusion: { sampler } }, "anonymizer"));
    expect(await hash("unipc")).not.toBe(await hash("ddim"));
  });
});

describe("loadConfig", () => {
  it("resolves relative paths against the file's folder and leaves absolute ones alone", async () => {
    const config = await loadConfig(await write(vae("output_dir: /somewhere/run\n")), "vae");
    expect(config.model.path).toBe(join(folder, "m/vae"));
    expect(config.data.manifest).toBe(join(folder, "d/manifest.jsonl"));
    expect(config.output_dir).toBe("/somewhere/run");
  });

  it("resolves the paths of an object against the current folder and doesn't change the object", async () => {
    const input = {
      model: { path: "m" },
      data: { manifest: "x.jsonl" },
      loss: { reduction: "mean", perceptual_weight: 0 },
    } as const;
    const config = await loadConfig(input, "vae");
    expect(config.model.path).toBe(resolve("m"));
    expect(input.model.path).toBe("m");
  });

  it("gives the same result when its own result is loaded again", async () => {
    const config = await loadConfig(join(configs, "unet.yaml"), "unet");
    expect(await loadConfig(config, "unet")).toEqual(config);
  });

  it("fills the weights that belong to the named reduction", async () => {
    const object = (reduction: "mean" | "sum") => ({
      model: { path: "m" },
      perceptual: { path: "v" },
      data: { manifest: "x.jsonl" },
      loss: { reduction },
    });
    expect((await loadConfig(object("mean"), "vae")).loss).toMatchObject({
      kl_weight: 0.00025,
      perceptual_weight: 0.1,
    });
    expect((await loadConfig(object("sum"), "vae")).loss).toMatchObject({ kl_weight: 1e-6, perceptual_weight: 0.5 });
  });

  it("refuses a loss without a named reduction", async () => {
    const error = await failure(
      loadConfig(await write("kind: vae\nmodel: {path: m}\ndata: {manifest: d}\nloss: {kl_weight: 1}\n")),
    );
    expect(error.code).toBe("ERR_CONFIG_INVALID");
    expect(error.message).toMatch(/a\.yaml:4: loss\.reduction: is missing; must be mean or sum/);
  });

  it("names file, line and column of a YAML syntax error", async () => {
    const file = await write("kind: vae\nmodel:\n  path: m\n bad: [1, 2\n");
    const error = await failure(loadConfig(file));
    expect(error.code).toBe("ERR_CONFIG_SYNTAX");
    expect(error.message).toMatch(/a\.yaml:[45]:\d+: /);
    expect(error.details["line"]).toBeGreaterThanOrEqual(4);
  });

  it("refuses a key that stands twice", async () => {
    const error = await failure(loadConfig(await write("kind: vae\nseed: 1\nseed: 2\n")));
    expect(error.code).toBe("ERR_CONFIG_SYNTAX");
    expect(error.message).toMatch(/a\.yaml:3:1: /);
  });

  it("refuses an alias bomb", async () => {
    let text = "a: &a [x, x, x, x, x, x, x, x, x]\n";
    for (let i = 0; i < 8; i++) {
      const [from, to] = ["abcdefghij"[i], "abcdefghij"[i + 1]];
      text += `${to}: &${to} [${Array(9).fill(`*${from}`).join(", ")}]\n`;
    }
    expect((await failure(loadConfig(await write(text)))).code).toBe("ERR_CONFIG_SYNTAX");
  });

  it("names an unknown key, its line and the nearest valid key", async () => {
    const error = await failure(loadConfig(await write(vae("optimizer:\n  eps: 1e-8\n  lerning_rate: 0.1\n"))));
    expect(error.code).toBe("ERR_CONFIG_INVALID");
    expect(error.message).toMatch(
      /a\.yaml:11: optimizer\.lerning_rate: unknown key; did you mean optimizer\.learning_rate\?/,
    );
    expect(error.details["problems"]).toMatchObject([
      { key: "optimizer.lerning_rate", line: 11, column: 3, suggestion: "optimizer.learning_rate" },
    ]);
  });

  it("finds a known key that stands in the wrong group or in another spelling", async () => {
    const error = await failure(loadConfig(await write(vae("learning_rate: 0.1\ntrainBatchSize: 4\n"))));
    expect(error.message).toMatch(/:9: learning_rate: unknown key; did you mean optimizer\.learning_rate\?/);
    expect(error.message).toMatch(/:10: trainBatchSize: unknown key; did you mean train_batch_size\?/);
  });

  it("lists what is known where nothing is near", async () => {
    const error = await failure(loadConfig(await write(vae("validation:\n  zzzzzzzz: 1\n"))));
    expect(error.message).toMatch(/validation\.zzzzzzzz: unknown key; known here: every_steps, batches/);
  });

  it("names every wrong value, its line and what it must be, in the order of the file", async () => {
    const text = vae("gradient_accumulation_steps: 0\nprecision: bf61\ntrain_batch_size: many\ndevice: gpu\n");
    const error = await failure(loadConfig(await write(text)));
    expect(error.message.split("\n").map((l) => l.replace(/^.*a\.yaml/, ""))).toEqual([
      ":9: gradient_accumulation_steps: must be at least 1, not 0",
      ':10: precision: must be fp32, bf16 or fp16, not "bf61"; did you mean bf16?',
      ':11: train_batch_size: must be a number, not "many"',
      ':12: device: must be auto, cpu, cuda or cuda:N, not "gpu"',
    ]);
  });

  it("refuses a perceptual weight without a network", async () => {
    const text = vae().replace("perceptual_weight: 0", "perceptual_weight: 0.5");
    const error = await failure(loadConfig(await write(text)));
    expect(error.message).toMatch(/:8: loss\.perceptual_weight: is 0\.5 but there is no perceptual\.path/);
  });

  it("refuses a crop that is no multiple of 8", async () => {
    const text = vae().replace("manifest: d/manifest.jsonl", "manifest: d/manifest.jsonl\n  width: 100");
    expect((await failure(loadConfig(await write(text)))).message).toMatch(
      /data\.width: must be a multiple of 8, not 100/,
    );
  });

  it("refuses a configuration of another kind, an unknown kind and a missing kind", async () => {
    expect((await failure(loadConfig(await write(vae()), "unet"))).message).toMatch(
      /:1: kind: is vae, but a unet configuration/,
    );
    expect((await failure(loadConfig(await write("kind: gan\n")))).message).toMatch(
      /kind: must be vae, unet, anonymizer, not "gan"/,
    );
    expect((await failure(loadConfig(await write("seed: 1\n")))).message).toMatch(/kind: is missing/);
    expect((await failure(loadConfig(await write("- 1\n")))).code).toBe("ERR_CONFIG_INVALID");
  });

  it("says when the file is absent", async () => {
    expect((await failure(loadConfig(join(folder, "none.yaml")))).code).toBe("ERR_CONFIG_NOT_FOUND");
    expect((await failure(loadConfig(folder))).code).toBe("ERR_CONFIG_NOT_FOUND");
  });

  it("refuses the key in a file, accepts it in code, and never shows it", async () => {
    const error = await failure(loadConfig(await write("kind: anonymizer\nkey: abcdefghijklmnopqrstuvwxyz\n")));
    expect(error.message).toMatch(/:2: key: may not stand in a file/);
    expect(error.message).not.toContain("abcdefghij");
    expect((await loadConfig({ key: "abcdefghijklmnopqrstuvwxyz" }, "anonymizer")).key).toHaveLength(26);
    expect((await failure(loadConfig({ key: "shortsecret" }, "anonymizer"))).message).not.toContain("shortsecret");
  });

  it("refuses what is no plain value", async () => {
    const input = { name: () => 1 } as never;
    expect((await failure(loadConfig(input, "anonymizer"))).code).toBe("ERR_CONFIG_INVALID");
  });
});

describe("overrides", () => {
  it("replace values of the file; their paths start at the current folder", async () => {
    const overrides = parseOverrides([
      "optimizer.learning_rate=1e-4",
      "data.manifest=x/m.jsonl",
      "freeze=[encoder]",
      "name=t1",
    ]);
    const config = await loadConfig(await write(vae()), "vae", { overrides });
    expect(config.optimizer.learning_rate).toBe(1e-4);
    expect(config.data.manifest).toBe(resolve("x/m.jsonl"));
    expect(config.freeze).toEqual(["encoder"]);
    expect(config.name).toBe("t1");
  });

  it("are checked like the file, without a line", async () => {
    const overrides = parseOverrides(["optimiser.learning_rate=1"]);
    const error = await failure(loadConfig(await write(vae()), "vae", { overrides }));
    expect(error.message).toMatch(/optimiser: unknown key; did you mean optimizer\?/);
  });

  it("refuse what is no assignment", () => {
    for (const bad of ["seed", "=1", "a b=1", "seed=[1"]) expect(() => parseOverrides([bad])).toThrowError(/--set/);
  });
});

describe("configJsonSchema", () => {
  it.each(configKinds)("describes every key of %s", (kind: ConfigKind) => {
    const missing: string[] = [];
    const walk = (node: ReturnType<typeof configJsonSchema>, path: string): void => {
      for (const part of [node, ...(node.oneOf ?? [])]) {
        for (const [key, child] of Object.entries(part.properties ?? {})) {
          if (child.description === undefined) missing.push(`${path}${key}`);
          walk(child as never, `${path}${key}.`);
        }
      }
    };
    const schema = configJsonSchema(kind);
    walk(schema, "");
    expect(schema["$schema"]).toMatch(/2020-12/);
    expect(missing).toEqual([]);
  });

  it("marks required keys only", () => {
    expect(configJsonSchema("vae")["required"]).toEqual(["model", "data", "loss"]);
    expect(configJsonSchema("anonymizer")["required"]).toBeUndefined();
  });
});

it("no shipped configuration holds a secret", async () => {
  for (const file of await readdir(configs)) {
    if (!file.endsWith(".yaml")) continue;
    expect(await readFile(join(configs, file), "utf8")).not.toMatch(/^\s*(key|token|password|secret)\s*:/im);
  }
});
