/** Bundles the extension, or with --tests the tests, into dist/. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
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

const CLIENT = "vscode-languageclient/node";

/** Puts the language client, twenty times as large as the rest, into a separate file, which activation need not read. */
const clientApart = {
  name: "client-apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: new RegExp(`^${CLIENT}$`) }, ({ kind }) =>
      kind === "entry-point" ? undefined : { path: "./languageClient.js", external: true },
    ),
};

/** Bundles what VS Code loads, with the licences of the packages that are in it. */
export async function buildExtension() {
  const entryPoints = { extension: "src/extension.ts", languageClient: CLIENT };
  const bundles = { ...shared, entryPoints, outdir: "dist", plugins: [clientApart] };
  const { metafile } = await build({ ...bundles, minify: true, metafile: true });
  writeFileSync(join(here, "dist", "THIRD_PARTY.txt"), licences(Object.keys(metafile.inputs)));
}

/** The licence texts of the packages that bundled files come from. */
function licences(files) {
  const folders = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
    const file = readdirSync(join(here, folder)).find((each) => /^licen[cs]e/i.test(each));
    const text = file ? readFileSync(join(here, folder, file), "utf8").trim() : `Licence: ${license}`;
    return `${name} ${version}\n\n${text}\n`;
  });
  return texts.join(`\n${"-".repeat(72)}\n\n`);
}

async function buildTests() {
  const entryPoints = readdirSync(join(here, "test"), { recursive: true })
    .filter((name) => /\.test\.ts$|(measure|picture)\.ts$/.test(name))
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
