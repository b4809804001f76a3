import assert from "node:assert/strict";
import { existsSync, mkdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../../src/lock";
import { inFolder } from "./programs";

// An hour is longer than any machine stalls; what is stale here was made so by `utimesSync`.
const TIMES = { touchMs: 5, staleMs: 3_600_000, pollMs: 5 };
const LONG_AGO = new Date(Date.now() - 2 * TIMES.staleMs);

test("two processes never hold the lock at once, and the second is notified that it waits", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    let working = 0;
    let waited = 0;
    const work = () =>
      withLock(
        lock,
        async () => {
          assert.equal(++working, 1);
          await sleep(20);
          working--;
        },
        () => waited++,
        TIMES,
      );
    await Promise.all([work(), work(), work()]);
    assert.equal(waited, 2);
    assert.ok(!existsSync(lock));
  }));

test("the owner keeps its lock from growing stale", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    await withLock(
      lock,
      async () => {
        utimesSync(lock, LONG_AGO, LONG_AGO);
        while (statSync(lock).mtime <= LONG_AGO) {
          await sleep(1);
        }
      },
      undefined,
      TIMES,
    );
  }));

test("a lock whose owner is gone is taken over", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    mkdirSync(lock);
    utimesSync(lock, LONG_AGO, LONG_AGO);
    assert.equal(await withLock(lock, async () => "done", undefined, TIMES), "done");
  }));

test("work that fails lets go", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    const fails = withLock(lock, () => Promise.reject(new Error("no")), undefined, TIMES);
    await assert.rejects(fails, /^Error: no$/);
    assert.ok(!existsSync(lock));
  }));
