/** Running programs to their end. */

import { spawn } from "node:child_process";

/** This process's environment with ONNX Runtime's telemetry off, even if the user turned it on. */
export const quietEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, ORT_DISABLE_TELEMETRY: "1" });

/** How a program ended. */
export interface Ended {
  /** Exit status; null if a signal ended it or it never ran. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Reason why it could not be started, such as ENOENT. */
  readonly failure?: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Ends the program when aborted. */
  readonly signal?: AbortSignal;
  /** Called with each line of stdout and stderr as it arrives. */
  readonly onLine?: (line: string) => void;
}

/** Runs a program without a shell and without stdin; never rejects. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: quietEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
      timeout: options.timeoutMs,
      signal: options.signal,
    });
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = new Lines(options.onLine ?? (() => undefined));
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        said[stream] += text;
        lines.add(text);
      });
    }
    child.once("error", (error: NodeJS.ErrnoException) =>
      resolve({ ...said, status: null, failure: error.code ?? error.message }),
    );
    child.once("close", (status) => resolve({ ...said, status }));
  });
}

/** Cuts a stream of text into lines. */
export class Lines {
  private rest = "";

  constructor(private readonly each: (line: string) => void) {}

  add(text: string): void {
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      this.each(line);
    }
  }
}
