/** Problems that prevent the server from answering, each as one sentence with its remedies. */

/** Action of a button below a message. */
export type Remedy = "settings" | "retry" | "log" | "doctor" | "reinstall" | "trust" | "model";

/** A failure that the user can remedy. */
export class Problem extends Error {
  /**
   * @param kind names the cause, for tests and for reporting each cause only once.
   * @param message one or two sentences for the user: the problem and its remedy.
   * @param remedies buttons to offer, the likeliest first.
   */
  constructor(
    readonly kind: string,
    message: string,
    readonly remedies: readonly Remedy[],
  ) {
    super(message);
    this.name = "Problem";
  }
}

/** Versions of Python on which the server runs: from the first, below the second. */
export const PYTHONS = { from: [3, 11], below: [3, 15] } as const;

const WANTED = "Python 3.11 to 3.14";

export const noPython = (): Problem =>
  new Problem(
    "no-python",
    `cg2ls needs ${WANTED} and found no Python. Install one, or set cg2ls.python.path to it.`,
    ["settings", "retry"],
  );

export const wrongPython = (found: string): Problem =>
  new Problem(
    "wrong-python",
    `cg2ls needs ${WANTED} and found only ${found}. Install one of those, or set cg2ls.python.path to it.`,
    ["settings", "retry"],
  );

export const pythonPathWrong = (path: string, why: string): Problem =>
  new Problem(
    "python-path",
    `cg2ls.python.path is ${path}, which ${why}. Set it to ${WANTED}, or clear it to search for one.`,
    ["settings", "retry"],
  );

export const noVenv = (python: string, version: string): Problem =>
  new Problem(
    "no-venv",
    `${python} lacks the modules venv and ensurepip, so cg2ls cannot be set up. ` +
      `Install your system's package for them (on Debian and Ubuntu: python${version}-venv).`,
    ["retry", "settings"],
  );

export const serverPathWrong = (path: string, why: string): Problem =>
  new Problem(
    "server-path",
    `cg2ls.server.path is ${path}, which ${why}. Set it to the cg2ls command, or clear it to use the server this extension brings.`,
    ["settings", "retry"],
  );

export const damaged = (what: string): Problem =>
  new Problem("damaged", `The extension is damaged: ${what}. Install it again.`, ["log"]);

export const noNetwork = (): Problem =>
  new Problem(
    "no-network",
    "cg2ls is set up once with packages from Python's package index, which could not be reached. " +
      "Connect, or set your proxy (http.proxy), and try again; or install cg2ls by hand and set cg2ls.server.path.",
    ["retry", "log", "settings"],
  );

export const noRuntime = (system: string): Problem =>
  new Problem(
    "no-runtime",
    `Python's package index has no ONNX Runtime for ${system}, so cg2ls cannot run here with this Python. ` +
      "Try another Python (cg2ls.python.path); Alpine Linux and 32-bit systems have none.",
    ["settings", "log"],
  );

export const diskFull = (folder: string): Problem =>
  new Problem("disk-full", `The disk is full: setting cg2ls up needs about 250 MB in ${folder}.`, [
    "retry",
    "log",
  ]);

export const setupFailed = (why: string): Problem =>
  new Problem("setup-failed", `cg2ls could not be set up: ${why}`, ["log", "retry", "settings"]);

export const endedAtOnce = (how: string, lastWords: string): Problem =>
  new Problem(
    "ended-at-once",
    `The cg2ls server ended before it was ready (${how})${lastWords ? `: ${lastWords}` : "."} The log says more.`,
    ["log", "reinstall", "retry"],
  );

export const keepsEnding = (times: number): Problem =>
  new Problem(
    "keeps-ending",
    `The cg2ls server has ended ${times} times in a few minutes and is not started again. The log and the doctor may show the cause.`,
    ["log", "doctor", "retry"],
  );

export const notOurProtocol = (command: string): Problem =>
  new Problem(
    "protocol",
    `${command} does not speak the language server protocol as cg2ls does. If cg2ls.server.path is set, it must be the cg2ls command.`,
    ["settings", "log", "retry"],
  );

export const noAnswer = (seconds: number): Problem =>
  new Problem(
    "no-answer",
    `The cg2ls server did not answer within ${seconds} seconds of its start and was ended. The log says more.`,
    ["log", "retry"],
  );

export const untrusted = (): Problem =>
  new Problem("untrusted", "cg2ls is off until you trust this folder, because it reads the files in it.", [
    "trust",
  ]);

export const unexpected = (what: string): Problem =>
  new Problem("unexpected", `cg2ls failed unexpectedly: ${what}. See the log for details.`, ["log", "retry"]);
