/** From settings to the command that runs the server. */

import { mkdir, stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { ensureEnvironment, type SetupListener, wheelIn } from "./environment";
import { serverPathWrong } from "./problem";
import type { LaunchSettings } from "./settings";

/** A command and its first arguments; `serve`, `doctor` and the like follow. */
export type Command = readonly [command: string, ...args: string[]];

export interface Places {
  /** Folder of the extension's wheel. */
  readonly wheels: string;
  /** Folder in which this extension may store files, for all windows. */
  readonly storage: string;
}

/**
 * The command of the user's own server, or of the one in the managed environment, which is made if necessary.
 *
 * @throws Problem naming what is missing.
 */
export async function serverCommand(
  settings: LaunchSettings,
  places: Places,
  listener: SetupListener,
  signal?: AbortSignal,
): Promise<Command> {
  await mkdir(places.storage, { recursive: true });
  if (settings.serverPath) {
    await checkPath(settings.serverPath);
    return [settings.serverPath];
  }
  const wanted = {
    home: places.storage,
    wheel: wheelIn(places.wheels),
    runtime: settings.runtime,
    pythonSetting: settings.pythonPath,
  };
  const python = await ensureEnvironment(wanted, listener, signal);
  return [python, ...isolated];
}

/** Python's arguments that keep the opened folder and the user's environment out of what is imported. */
const isolated = ["-I", "-m", "cg2ls"];

async function checkPath(path: string): Promise<void> {
  if (!isAbsolute(path)) {
    return; // looked up on PATH when it is started
  }
  try {
    if ((await stat(path)).isDirectory()) {
      throw serverPathWrong(path, "is a folder");
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ENOENT"
      ? serverPathWrong(path, "does not exist")
      : error;
  }
}
