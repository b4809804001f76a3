/** The Python environment that this extension makes for its server, once, from the wheel that it contains. */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { access, mkdir, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withLock } from "./lock";
import { damaged, diskFull, noNetwork, noRuntime, noVenv, type Problem, setupFailed } from "./problem";
import { type Ended, run } from "./process";
import { findPython } from "./python";

/** Which ONNX Runtime is installed: the wheel's extras. */
export type Runtime = "cpu" | "gpu";

export interface EnvironmentWanted {
  /** The folder of all environments. */
  readonly home: string;
  /** The wheel that came with the extension. */
  readonly wheel: Wheel;
  readonly runtime: Runtime;
  /** The user's choice of a Python; "" to look for one. */
  readonly pythonSetting: string;
}

export interface Wheel {
  readonly file: string;
  readonly sha256: string;
}

export interface SetupListener {
  /** A step begins; its name is for users. */
  step(what: string): void;
  /** A line that a program printed. */
  line(text: string): void;
}

const UNUSED_MS = 14 * 24 * 3600 * 1000;

/**
 * The wheel in a folder.
 *
 * @throws Problem if there is not exactly one.
 */
export function wheelIn(folder: string): Wheel {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".whl"));
  } catch {
    names = [];
  }
  const [name] = names;
  if (name === undefined || names.length > 1) {
    throw damaged(`${folder} should hold one wheel and holds ${names.length}`);
  }
  const file = join(folder, name);
  const sha256 = createHash("sha256").update(readFileSync(file)).digest("hex");
  return { file, sha256 };
}

/** Path of an environment's Python. */
export function pythonOf(folder: string, platform = process.platform): string {
  return platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
}

/** Folder of the environment for a wheel and a runtime, whether it exists or not. */
export function folderOf(wanted: EnvironmentWanted): string {
  const python = wanted.pythonSetting
    ? `-${createHash("sha256").update(wanted.pythonSetting).digest("hex").slice(0, 8)}`
    : "";
  return join(wanted.home, `${wanted.wheel.sha256.slice(0, 16)}-${wanted.runtime}${python}`);
}

/** Whether an environment is complete; if its Python was upgraded, its link is dangling. */
export async function isReady(folder: string): Promise<boolean> {
  try {
    await access(join(folder, "ready"));
    await access(pythonOf(folder));
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes the environment unless it exists.
 *
 * @returns its Python.
 * @throws Problem naming what is missing.
 */
export async function ensureEnvironment(
  wanted: EnvironmentWanted,
  listener: SetupListener,
  signal?: AbortSignal,
): Promise<string> {
  const folder = folderOf(wanted);
  if (!(await isReady(folder))) {
    await mkdir(wanted.home, { recursive: true });
    await withLock(
      `${folder}.lock`,
      async () => {
        if (!(await isReady(folder))) {
          await make(folder, wanted, listener, signal);
        }
      },
      () => listener.step("Another window is setting the server up"),
    );
  }
  const now = new Date();
  await utimes(join(folder, "ready"), now, now).catch(() => undefined);
  await removeUnused(wanted.home, folder);
  return pythonOf(folder);
}

async function make(
  folder: string,
  wanted: EnvironmentWanted,
  listener: SetupListener,
  signal?: AbortSignal,
): Promise<void> {
  const watch = { onLine: listener.line, ...(signal ? { signal } : {}) };
  listener.step("Looking for Python");
  const python = await findPython(wanted.pythonSetting);
  listener.line(`Python ${python.version.join(".")}: ${python.executable}`);
  await rm(folder, { recursive: true, force: true });
  try {
    listener.step("Making a Python environment");
    const made = await run(python.executable, ["-I", "-m", "venv", folder], watch);
    if (made.status !== 0) {
      throw venvProblem(made, python.executable, python.version.join("."), folder);
    }
    listener.step("Installing the server (about 60 MB, once)");
    const pip = [
      "-I",
      "-m",
      "pip",
      "install",
      "--no-input",
      "--disable-pip-version-check",
      "--progress-bar",
      "off",
    ];
    const file = `${wanted.wheel.file}[${wanted.runtime}]`;
    const installed = await run(pythonOf(folder), [...pip, file], watch);
    if (installed.status !== 0) {
      throw pipProblem(`${installed.stdout}\n${installed.stderr}`, folder);
    }
    await writeFile(join(folder, "ready"), `${wanted.wheel.sha256}\n`);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function venvProblem(made: Ended, python: string, version: string, folder: string): Problem {
  const said = `${made.stdout}\n${made.stderr}`;
  if (/No space left on device/i.test(said)) {
    return diskFull(folder);
  }
  return /ensurepip/.test(said) ? noVenv(python, version) : setupFailed(lastLine(said));
}

/** Explains pip's output to the user. */
export function pipProblem(said: string, folder: string): Problem {
  if (/No space left on device/i.test(said)) {
    return diskFull(folder);
  }
  if (
    /NewConnectionError|name resolution|ConnectTimeout|ReadTimeout|ProxyError|Max retries|Connection (refused|reset|to .* timed out)|getaddrinfo/i.test(
      said,
    )
  ) {
    return noNetwork();
  }
  const missing = /No matching distribution found for (\w+)/i.exec(said)?.[1];
  if (missing?.startsWith("onnxruntime")) {
    return noRuntime(`${process.platform} on ${process.arch}`);
  }
  if (missing && said.includes("(from versions: none)")) {
    return noNetwork(); // all other packages exist for every system
  }
  return setupFailed(lastLine(said));
}

function lastLine(said: string): string {
  const lines = said.split(/\r?\n/).map((line) => line.trim());
  const errors = lines.filter((line) => /^error/i.test(line));
  return errors.at(-1) ?? lines.filter(Boolean).at(-1) ?? "no reason was given.";
}

/** Removes environments of other wheels that no window has used for two weeks. */
async function removeUnused(home: string, inUse: string): Promise<void> {
  for (const name of await readdir(home)) {
    const folder = join(home, name);
    if (folder !== inUse && !name.endsWith(".lock")) {
      const used = await stat(join(folder, "ready")).catch(() => undefined);
      if (used && Date.now() - used.mtimeMs > UNUSED_MS) {
        await rm(folder, { recursive: true, force: true });
      }
    }
  }
}
