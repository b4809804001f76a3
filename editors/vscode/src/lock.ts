/** A lock between processes: a folder whose modification time the owner updates. */

import { mkdir, rename, rm, stat, utimes } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface LockTimes {
  /** Milliseconds between two updates by the owner. */
  readonly touchMs: number;
  /** Milliseconds without an update after which the owner counts as ended. */
  readonly staleMs: number;
  /** Milliseconds between two checks while another process holds it. */
  readonly pollMs: number;
}

const TIMES: LockTimes = { touchMs: 2_000, staleMs: 20_000, pollMs: 300 };

/**
 * Runs an action while no other process runs it.
 *
 * @param folder made while the lock is held; its parent must exist.
 * @param waiting called once if another process holds it.
 */
export async function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  waiting: () => void = () => undefined,
  times: LockTimes = TIMES,
): Promise<T> {
  let wasNotified = false;
  while (!(await taken(folder))) {
    if (await isStale(folder, times.staleMs)) {
      await evict(folder, times.staleMs);
      continue;
    }
    if (!wasNotified) {
      waiting();
      wasNotified = true;
    }
    await sleep(times.pollMs);
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(folder, now, now).catch(() => undefined);
  }, times.touchMs);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    await rm(folder, { recursive: true, force: true });
  }
}

async function taken(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    throw error;
  }
}

/** Removes a lock whose owner has ended, unless another process has just done so and taken it. */
async function evict(folder: string, staleMs: number): Promise<void> {
  const aside = `${folder}-${process.pid}-${Math.random().toString(36).slice(2)}`;
  try {
    await rename(folder, aside);
  } catch {
    return; // another process was faster
  }
  if (await isStale(aside, staleMs)) {
    await rm(aside, { recursive: true, force: true });
  } else {
    await rename(aside, folder);
  }
}

async function isStale(folder: string, staleMs: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(folder)).mtimeMs > staleMs;
  } catch {
    return false; // its owner has just released it
  }
}
