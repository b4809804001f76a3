/** A lock between processes: a folder whose owner keeps touching it. */

import { mkdir, rename, rm, stat, utimes } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface LockTimes {
  /** Between the owner's touches. */
  readonly touchMs: number;
  /** Without a touch for so long, the owner is gone. */
  readonly staleMs: number;
  /** Between looks while another holds it. */
  readonly pollMs: number;
}

const TIMES: LockTimes = { touchMs: 2_000, staleMs: 20_000, pollMs: 300 };

/**
 * Does something while no other process does.
 *
 * @param folder made while the lock is held; its parent must exist.
 * @param waiting is told once that another process holds it.
 */
export async function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  waiting: () => void = () => undefined,
  times: LockTimes = TIMES,
): Promise<T> {
  let told = false;
  while (!(await taken(folder))) {
    if (await isStale(folder, times.staleMs)) {
      await evict(folder, times.staleMs);
      continue;
    }
    if (!told) {
      waiting();
      told = true;
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

/** Removes a lock whose owner is gone, unless another process has just done so and taken it. */
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
    return false; // its owner has just let go
  }
}
