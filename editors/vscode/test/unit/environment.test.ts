import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ensureEnvironment, folderOf, pipProblem, pythonOf, wheelIn } from "../../src/environment";
import { inFolder, program } from "./programs";

const SILENT = { step: () => undefined, line: () => undefined };

/** A fake Python that makes environments of itself and logs pip's arguments; pip fails if a file exists. */
function recorder(folder: string): string {
  const about = `{"executable": "${folder}/python3", "version": [3, 12], "hasVenv": true}`;
  return program(
    folder,
    "python3",
    `case "$*" in`,
    `*" -c "*) echo '${about}' ;;`,
    `*"-m venv"*) for last; do :; done; mkdir -p "$last/bin" && cp "$0" "$last/bin/python" ;;`,
    `*"-m pip"*) echo "$@" >>"${folder}/pip.log"; if [ -f "${folder}/fails" ]; then cat "${folder}/fails"; exit 1; fi ;;`,
    "esac",
  );
}

function wanted(folder: string) {
  const wheels = join(folder, "wheels");
  mkdirSync(wheels, { recursive: true });
  writeFileSync(join(wheels, "cg2ls-0.1.0-py3-none-any.whl"), "a wheel");
  return {
    home: join(folder, "home"),
    wheel: wheelIn(wheels),
    runtime: "cpu" as const,
    pythonSetting: recorder(folder),
  };
}

const installs = (folder: string) => readFileSync(join(folder, "pip.log"), "utf8").trim().split("\n");

test("what is installed is the file that came along", () =>
  inFolder(async (folder) => {
    const python = await ensureEnvironment(wanted(folder), SILENT);
    assert.ok(existsSync(python));
    const [line = "", ...more] = installs(folder);
    assert.deepEqual(more, []);
    assert.ok(line.endsWith(`${folder}/wheels/cg2ls-0.1.0-py3-none-any.whl[cpu]`), line);
    assert.match(line, /-I -m pip install --no-input/);
  }));

test("two windows that start together install once", () =>
  inFolder(async (folder) => {
    const same = wanted(folder);
    await Promise.all([ensureEnvironment(same, SILENT), ensureEnvironment(same, SILENT)]);
    await ensureEnvironment(same, SILENT);
    assert.equal(installs(folder).length, 1);
    assert.equal(readdirSync(same.home).length, 1);
  }));

test("another wheel, runtime or Python is another environment", () =>
  inFolder(async (folder) => {
    const first = wanted(folder);
    const wheel = { ...first.wheel, sha256: "f".repeat(64) };
    const others = [
      { ...first, wheel },
      { ...first, runtime: "gpu" as const },
      { ...first, pythonSetting: "" },
    ];
    assert.equal(new Set([first, ...others].map(folderOf)).size, 4);
  }));

test("a failed installation leaves no files, and is tried again", () =>
  inFolder(async (folder) => {
    const same = wanted(folder);
    writeFileSync(join(folder, "fails"), "ERROR: [Errno 28] No space left on device");
    await assert.rejects(ensureEnvironment(same, SILENT), /disk is full/);
    assert.deepEqual(readdirSync(same.home), []);
    rmSync(join(folder, "fails"));
    await ensureEnvironment(same, SILENT);
    assert.equal(installs(folder).length, 2);
  }));

test("an environment that is incomplete or lost its Python is made again", () =>
  inFolder(async (folder) => {
    const same = wanted(folder);
    mkdirSync(folderOf(same), { recursive: true });
    await ensureEnvironment(same, SILENT);
    rmSync(pythonOf(folderOf(same)));
    await ensureEnvironment(same, SILENT);
    assert.equal(installs(folder).length, 2);
  }));

test("environments unused for two weeks are removed, others are kept", () =>
  inFolder(async (folder) => {
    const same = wanted(folder);
    const days = (count: number) => new Date(Date.now() - count * 24 * 3600 * 1000);
    for (const [name, age] of [
      ["old", 15],
      ["younger", 13],
    ] as const) {
      mkdirSync(join(same.home, name), { recursive: true });
      writeFileSync(join(same.home, name, "ready"), "");
      utimesSync(join(same.home, name, "ready"), days(age), days(age));
    }
    await ensureEnvironment(same, SILENT);
    assert.ok(!readdirSync(same.home).includes("old"));
    assert.ok(readdirSync(same.home).includes("younger"));
  }));

test("an extension without its wheel reports it", () =>
  inFolder(async (folder) => {
    assert.throws(() => wheelIn(join(folder, "none")), /damaged/);
  }));

const PIP: [said: string, kind: string][] = [
  ["WARNING: Retrying after connection broken by 'NewConnectionError('...')'", "no-network"],
  [
    "ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for pygls>=2.0",
    "no-network",
  ],
  [
    "ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for onnxruntime>=1.24",
    "no-runtime",
  ],
  ["OSError: [Errno 28] No space left on device", "disk-full"],
  ["ERROR: Could not build wheels for tokenizers", "setup-failed"],
  ["", "setup-failed"],
];

for (const [said, kind] of PIP) {
  test(`pip's ${JSON.stringify(said.slice(0, 60))} is ${kind}`, () => {
    assert.equal(pipProblem(said, "/home").kind, kind);
  });
}
