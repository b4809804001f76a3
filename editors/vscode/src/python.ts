/** Finding a Python that can run the server. */

import { homedir } from "node:os";
import { join } from "node:path";
import { noPython, noVenv, PYTHONS, pythonPathWrong, wrongPython } from "./problem";
import { run } from "./process";

/** Facts about a Python that it printed itself. */
export interface Python {
  /** The interpreter itself, not a shim or launcher. */
  readonly executable: string;
  readonly version: readonly [number, number];
  readonly hasVenv: boolean;
}

const ASK = `
import importlib.util, json, sys
parts = [importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")]
print(json.dumps({"executable": sys.executable, "version": list(sys.version_info[:2]), "hasVenv": all(parts)}))
`;

/** A command that may start a Python, and its first arguments. */
type Candidate = readonly [command: string, ...args: string[]];

/** Commands that may start a Python on a system, the likeliest first. */
export function candidates(platform: NodeJS.Platform): Candidate[] {
  const minors = [];
  for (let minor = PYTHONS.below[1] - 1; minor >= PYTHONS.from[1]; minor--) {
    minors.push(minor);
  }
  if (platform === "win32") {
    return [...minors.map((minor): Candidate => ["py", `-3.${minor}`]), ["python"], ["python3"]];
  }
  // an editor started from a desktop may have a shorter PATH than a terminal
  const places = ["", "/usr/local/bin/", "/opt/homebrew/bin/", `${join(homedir(), ".local", "bin")}/`];
  const names = ["python3", ...minors.map((m) => `python3.${m}`), "python"];
  return places.flatMap((place) => names.map((name): Candidate => [`${place}${name}`]));
}

/**
 * Runs a command to find out which Python it is.
 *
 * @returns undefined if it is not a Python.
 */
export async function ask(candidate: Candidate): Promise<Python | undefined> {
  const [command, ...args] = candidate;
  const ended = await run(command, [...args, "-I", "-c", ASK], {
    timeoutMs: 20_000,
  });
  try {
    const about = JSON.parse(ended.stdout) as Python;
    return ended.status === 0 && Array.isArray(about.version) ? about : undefined;
  } catch {
    return undefined;
  }
}

export function supported(version: readonly [number, number]): boolean {
  const [major, minor] = version;
  return major === 3 && minor >= PYTHONS.from[1] && minor < PYTHONS.below[1];
}

/**
 * Finds a Python that can make environments.
 *
 * @param setting the user's choice; "" to look for one.
 * @throws Problem naming what is missing.
 */
export async function findPython(
  setting: string,
  among: readonly Candidate[] = candidates(process.platform),
): Promise<Python> {
  if (setting) {
    return usable(setting, await ask([setting]));
  }
  let unsupported: Python | undefined;
  let bare: Python | undefined;
  for (const candidate of among) {
    const python = await ask(candidate);
    if (python && supported(python.version)) {
      if (python.hasVenv) {
        return python;
      }
      bare ??= python;
    } else {
      unsupported ??= python;
    }
  }
  if (bare) {
    throw noVenv(bare.executable, bare.version.join("."));
  }
  throw unsupported
    ? wrongPython(`${unsupported.version.join(".")} (${unsupported.executable})`)
    : noPython();
}

function usable(setting: string, python: Python | undefined): Python {
  if (!python) {
    throw pythonPathWrong(setting, "does not run as a Python");
  }
  if (!supported(python.version)) {
    throw pythonPathWrong(setting, `is Python ${python.version.join(".")}`);
  }
  if (!python.hasVenv) {
    throw noVenv(setting, python.version.join("."));
  }
  return python;
}
