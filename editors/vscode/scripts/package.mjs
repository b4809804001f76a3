/** Builds the wheel and the bundle and packs both into cg2ls-VERSION.vsix, or the file that is named. */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildExtension } from "./build.mjs";
import { pageFor } from "./page.mjs";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "..", "..");
const python = process.env.PYTHON ?? "python3";
const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const server = join(here, "server");
const target = process.argv[2] ?? join(here, `cg2ls-${version}.vsix`);

/** Runs a program where the extension lies; what it prints is shown. */
function run(command, ...args) {
  execFileSync(command, args, { cwd: here, stdio: "inherit" });
}

rmSync(server, { recursive: true, force: true });
mkdirSync(server);
run(
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

// Outside of the repository its pictures and pages have an address only once the repository is public.
const { repository } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const page = join(here, "dist", "README.md");
writeFileSync(page, pageFor(readFileSync(join(here, "README.md"), "utf8"), repository?.url));
const vsce = join(here, "node_modules", "@vscode", "vsce", "vsce");
run(
  process.execPath,
  vsce,
  "package",
  "--no-dependencies",
  "--allow-missing-repository",
  "--no-rewrite-relative-links",
  "--readme-path",
  page,
  "--out",
  target,
);
