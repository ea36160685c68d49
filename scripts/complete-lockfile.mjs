// Adds the entries that npm leaves out of package-lock.json when a registry mirror lacks binaries for other platforms.
// Without them `npm ci` refuses the file everywhere. Run it after every change of dependencies; it prints what it added.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const file = join(dirname(fileURLToPath(import.meta.url)), "..", "package-lock.json");
const lock = JSON.parse(readFileSync(file, "utf8"));

/** Platform fields from the way such packages are named: NAME-os-cpu[-libc]. */
function platformOf(name) {
  const os = [
    "android",
    "darwin",
    "freebsd",
    "linux",
    "netbsd",
    "openbsd",
    "openharmony",
    "sunos",
    "aix",
    "win32",
  ].find((o) => name.includes(`-${o}`) || name.includes(`/${o}`));
  const cpu = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "loong64", "mips64el", "wasm32"].find((c) =>
    name.includes(`-${c}`),
  );
  const libc = name.includes("musl") ? ["musl"] : name.endsWith("gnu") ? ["glibc"] : undefined;
  return { ...(cpu ? { cpu: [cpu] } : {}), ...(os ? { os: [os] } : {}), ...(libc ? { libc } : {}) };
}

let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    // npm looks beside the package first, then in every folder above it.
    const places = [`${path}/node_modules/${name}`];
    for (let at = path; at.includes("node_modules/"); ) {
      at = at.slice(0, at.lastIndexOf("node_modules/")).replace(/\/$/, "");
      places.push(`${at ? `${at}/` : ""}node_modules/${name}`);
    }
    if (places.some((place) => lock.packages[place] && (lock.packages[place].version === range || !/^\d/.test(range))))
      continue;
    if (!/^\d+\.\d+\.\d+/.test(range)) continue;
    const top = `node_modules/${name}`;
    const place = lock.packages[top] ? `${path}/node_modules/${name}` : top;
    lock.packages[place] = { version: range, ...platformOf(name), ...(entry.dev ? { dev: true } : {}), optional: true };
    added++;
    console.log(`${place} ${range}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
