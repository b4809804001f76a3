/** Bundles the extension, or with --tests the tests, into dist/. */

import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const shared = {
  absWorkingDir: here,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["vscode"],
  logLevel: "warning",
};

/** Bundles what VS Code loads. */
export async function buildExtension() {
  const main = { ...shared, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js" };
  await build({ ...main, minify: true, legalComments: "linked", sourcemap: false });
}

async function buildTests() {
  const entryPoints = readdirSync(join(here, "test"), { recursive: true })
    .filter((name) => /\.test\.ts$|measure\.ts$/.test(name))
    .map((name) => join("test", name));
  const external = ["vscode", "playwright-core"];
  await build({
    ...shared,
    external,
    entryPoints,
    outbase: "test",
    outdir: "dist/test",
    sourcemap: "inline",
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await (process.argv.includes("--tests") ? buildTests() : buildExtension());
}
