/** Short programs that tests use instead of a server or a Python. */

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CodeServerOptions } from "./codeServer";

export const PYTHON = process.env.CG2LS_PYTHON ?? "";
const FAKE_SERVER = join(__dirname, "../../../test/editor/fakeServer.mjs");

/** A folder of programs and their output. */
export class Programs {
  readonly folder = mkdtempSync(join(tmpdir(), "cg2ls-programs-"));

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Makes a program of shell lines. */
  make(name: string, ...lines: string[]): string {
    const path = this.path(name);
    writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"));
    chmodSync(path, 0o755);
    return path;
  }

  /** The server of this repository, as a user's own. If `held`, it starts once there is a file `NAME.go`. */
  server(name: string, { held = false } = {}): string {
    const wait = held ? ['while [ ! -e "$0.go" ]; do sleep 0.02; done'] : [];
    return this.make(name, 'echo $$ >> "$0.pids"', ...wait, `exec ${PYTHON} -m cg2ls "$@"`);
  }

  /** Lets held servers of a name start. */
  release(name: string): void {
    writeFileSync(this.path(`${name}.go`), "");
  }

  /** Holds those that are started from now on. */
  hold(name: string): void {
    rmSync(this.path(`${name}.go`));
  }

  /** The processes that ran under a name, the latest last. */
  pids(name: string): number[] {
    return this.lines(`${name}.pids`).map(Number);
  }

  /** A server with two completions, see fakeServer.mjs. */
  fake(name: string): string {
    return this.make(name, `exec '${process.execPath}' '${FAKE_SERVER}' "$0.log"`);
  }

  /** The log of the fake server with a name. */
  log(name: string): string[] {
    return this.lines(`${name}.log`);
  }

  private lines(name: string): string[] {
    const file = this.path(name);
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  }
}

export const serverPath = (of: string): CodeServerOptions => ({ settings: { "cg2ls.server.path": of } });

export const pythonPath = (of: string, env = {}): CodeServerOptions => ({
  settings: { "cg2ls.python.path": of },
  env,
});
