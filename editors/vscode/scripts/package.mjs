/** Builds the wheel and the bundle and packs both into cg2ls-VERSION.vsix, or the file that is named. */

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildExtension } from "./build.mjs";
import { pageFor } from "./page.mjs";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "..", "..");
const python = process.env.PYTHON ?? "python3";
const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const server = join(here, "server");
const target = process.argv[2] ?? join(here, `cg2ls-${version}.vsix`);

/** Runs a program in a folder; what it prints is shown. */
function run(folder, command, ...args) {
  execFileSync(command, args, { cwd: folder, stdio: "inherit" });
}

rmSync(server, { recursive: true, force: true });
mkdirSync(server);
run(
  here,
  python,
  "-m",
  "pip",
  "wheel",
  "--quiet",
  "--disable-pip-version-check",
  "--no-deps",
  "--wheel-dir",
  server,
  root,
);
await buildExtension();
copyFileSync(join(root, "LICENSE"), join(here, "LICENSE"));
copyFileSync(join(root, "NOTICE"), join(here, "NOTICE"));

// What is packed lies in a folder of its own, because its page is not the repository's: outside of the repository
// pictures and pages have an address only once the repository is public.
const staging = join(here, "dist", "package");
rmSync(staging, { recursive: true, force: true });
const packed = [
  "package.json",
  ".vscodeignore",
  "CHANGELOG.md",
  "LICENSE",
  "NOTICE",
  "dist/extension.js",
  "dist/languageClient.js",
  "dist/THIRD_PARTY.txt",
  "server",
  "media",
];
for (const path of packed) {
  cpSync(join(here, path), join(staging, path), { recursive: true });
}
const { repository } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
writeFileSync(
  join(staging, "README.md"),
  pageFor(readFileSync(join(here, "README.md"), "utf8"), repository?.url),
);
const vsce = join(here, "node_modules", "@vscode", "vsce", "vsce");
run(
  staging,
  process.execPath,
  vsce,
  "package",
  "--no-dependencies",
  "--allow-missing-repository",
  "--no-rewrite-relative-links",
  "--out",
  resolve(target),
);
rmSync(staging, { recursive: true, force: true });
