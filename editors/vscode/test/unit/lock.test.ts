import assert from "node:assert/strict";
import { existsSync, mkdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../../src/lock";
import { inFolder } from "./programs";

const TIMES = { touchMs: 20, staleMs: 200, pollMs: 5 };

test("two never work at once, and the second is told that it waits", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    let working = 0;
    let waited = 0;
    const work = () =>
      withLock(
        lock,
        async () => {
          assert.equal(++working, 1);
          await sleep(400); // longer than an untouched lock lives
          working--;
        },
        () => waited++,
        TIMES,
      );
    await Promise.all([work(), work(), work()]);
    assert.equal(waited, 2);
    assert.ok(!existsSync(lock));
  }));

test("a lock whose owner is gone is taken over", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    mkdirSync(lock);
    const past = new Date(Date.now() - 1_000);
    utimesSync(lock, past, past);
    assert.equal(await withLock(lock, async () => "done", undefined, TIMES), "done");
  }));

test("work that fails lets go", () =>
  inFolder(async (folder) => {
    const lock = join(folder, "lock");
    const fails = withLock(lock, () => Promise.reject(new Error("no")), undefined, TIMES);
    await assert.rejects(fails, /^Error: no$/);
    assert.ok(!existsSync(lock));
  }));
