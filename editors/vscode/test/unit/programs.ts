/** Small programs that stand in for Pythons. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a test in a separate folder. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cg2ls-unit-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a shell program. */
export function program(folder: string, name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"));
  chmodSync(path, 0o755);
  return path;
}

/** A Python that says of itself what a test wants. */
export function python(folder: string, name: string, version: string, hasVenv = true): string {
  const about = JSON.stringify({
    executable: join(folder, name),
    version: version.split(".").map(Number),
    hasVenv,
  });
  return program(folder, name, `echo '${about}'`);
}
