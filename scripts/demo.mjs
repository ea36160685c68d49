// npm run demo [-- FILE…]
// Goes the whole way with the package's own commands, as a user would: draws synthetic documents, trains the VAE and
// the UNet for a few minutes (stopped and resumed once), anonymizes documents, and writes demo-out/index.html.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { writeDemoPage } from "./demo-page.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, "demo-out");
const files = process.argv.slice(2).filter((argument) => argument !== "--");
const started = Date.now();

for (const file of files) {
  if (!existsSync(file) || !statSync(file).isFile()) {
    console.error(`${file} does not exist or is no file`);
    process.exit(2);
  }
}

const shown = (value) => (value.startsWith(root) ? value.slice(root.length + 1) : value);

/** Runs a command of the package with its progress on this terminal. `onStart` may stop it. */
function command(name, args, { accept = [0], onStart } = {}) {
  console.log(`\n$ npx ${name} ${args.map(shown).join(" ")}`);
  return new Promise((resolveRun, reject) => {
    const child = spawn(process.execPath, [join(root, "dist", "cli", `${name}.js`), ...args], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    });
    onStart?.(child);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (accept.includes(code)) resolveRun(code);
      else reject(new Error(`${name} ended with ${signal ?? code}`));
    });
  });
}

const events = (run) => {
  const file = join(out, run, "events.jsonl");
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return []; // the line being written right now
      }
    });
};

/** Sends SIGINT once the run has made `steps` steps: what Ctrl-C does. */
function stopAfter(run, steps) {
  return (child) => {
    const timer = setInterval(() => {
      if (events(run).some((event) => event.type === "step" && event.step >= steps)) {
        clearInterval(timer);
        console.log("\n(stopping it here with SIGINT, to show that it resumes)");
        child.kill("SIGINT");
      }
    }, 200);
    child.on("close", () => clearInterval(timer));
  };
}

function section(title) {
  console.log(`\n\u001b[1m${title}\u001b[0m`);
}

async function main() {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const data = join(out, "data");
  const set = (...pairs) => pairs.flatMap((pair) => ["--set", pair]);
  const manifest = `data.manifest=${join(data, "manifest.jsonl")}`;

  section("1  Synthetic documents: invented data, exact boxes and labels");
  await command("anonymizer-train", ["data", "synth", "--out", data, "--count", "48", "--seed", "1"]);

  section("2  Train the VAE (stopped once, then resumed)");
  const vae = [
    "vae",
    "--config",
    join(root, "configs", "presets", "tiny-vae.yaml"),
    "--out",
    join(out, "vae"),
    ...set(manifest),
  ];
  await command("anonymizer-train", vae, { accept: [0, 130], onStart: stopAfter("vae", 60) });
  await command("anonymizer-train", [...vae, "--resume"]);

  section("3  Train the inpainting UNet on its latents");
  await command("anonymizer-train", [
    "unet",
    "--config",
    join(root, "configs", "presets", "tiny-unet.yaml"),
    "--out",
    join(out, "unet"),
    ...set(manifest, `vae.path=${join(out, "vae", "models", "vae")}`),
  ]);

  section("4  Anonymize, with the classical engine and with the models that come with the package");
  const documents = join(out, "documents");
  await command("anonymizer-train", ["data", "synth", "--out", documents, "--count", "3", "--seed", "77"]);
  const key = join(out, "key");
  writeFileSync(key, "demo-key-that-is-no-secret-0001\n", { mode: 0o600 });
  const inputs = [
    ...readdirSync(join(documents, "images"))
      .sort()
      .map((name) => join(documents, "images", name)),
    ...files.map((file) => resolve(file)),
  ];
  const anonymize = async (engine) => {
    await command(
      "anonymizer",
      ["run", ...inputs, "--out", join(out, engine), "--engine", engine, "--key-file", key, "--format", "png"],
      {
        accept: [0, 3, 4],
      },
    );
    return join(out, engine);
  };
  const classical = await anonymize("classical");
  const diffusion = await anonymize("diffusion");

  section("5  The page");
  const minutes = (Date.now() - started) / 60000;
  const page = writeDemoPage({
    out,
    inputs,
    folders: { classical, diffusion },
    runs: { vae: events("vae"), unet: events("unet") },
    minutes,
  });
  console.log(
    `${shown(page)} written; ${inputs.map((i) => basename(i)).join(", ")}; ${minutes.toFixed(1)} minutes in all`,
  );
}

main().catch((error) => {
  console.error(`\n✗ ${error.message}`);
  process.exit(1);
});
