/** Writes the server's table of options into package.json's settings; tests/editors/test_vscode.py compares them. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "..", "..");
const page = join(root, "tools", "options_page.py");
const env = { ...process.env, PYTHONPATH: root };
const printed = execFileSync(process.env.PYTHON ?? "python3", [page, "--settings"], {
  env,
  encoding: "utf8",
});

const file = join(here, "package.json");
const manifest = JSON.parse(readFileSync(file, "utf8"));
const own = manifest.contributes.configuration.at(-1); // how the server is started, which the extension decides
const groups = [...JSON.parse(printed), own];
manifest.contributes.configuration = groups;
manifest.capabilities.untrustedWorkspaces.restrictedConfigurations = groups
  .flatMap((group) => Object.keys(group.properties))
  .sort();
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
