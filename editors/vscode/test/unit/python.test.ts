import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Problem } from "../../src/problem";
import { candidates, findPython, supported } from "../../src/python";
import { inFolder, program, python } from "./programs";

const kind = (wanted: string) => (error: Problem) => error.kind === wanted;

test("Pythons from 3.11 to 3.14 are supported", () => {
  assert.deepEqual(
    (
      [
        [3, 10],
        [3, 11],
        [3, 14],
        [3, 15],
        [2, 7],
        [4, 12],
      ] as const
    ).map(supported),
    [false, true, true, false, false, false],
  );
});

test("the first Python that will do is taken, past old ones and broken ones", () =>
  inFolder(async (folder) => {
    const broken = program(folder, "broken", "exit 127");
    const talks = program(folder, "talks", "echo not JSON");
    const old = python(folder, "old", "3.9");
    const bare = python(folder, "bare", "3.13", false);
    const good = python(folder, "good", "3.12");
    const found = await findPython("", [[broken], [join(folder, "none")], [talks], [old], [bare], [good]]);
    assert.equal(found.executable, good);
  }));

test("what is missing is named", () =>
  inFolder(async (folder) => {
    const old = python(folder, "old", "3.9");
    const bare = python(folder, "bare", "3.13", false);
    await assert.rejects(findPython("", []), kind("no-python"));
    await assert.rejects(findPython("", [[old]]), /found only 3\.9 .*old/);
    await assert.rejects(findPython("", [[old], [bare]]), /python3\.13-venv/);
  }));

test("the user's choice is the only one that counts", () =>
  inFolder(async (folder) => {
    const good = python(folder, "good", "3.12");
    assert.equal((await findPython(good, [])).executable, good);
    await assert.rejects(findPython(join(folder, "none"), [[good]]), kind("python-path"));
    await assert.rejects(findPython(python(folder, "old", "3.9"), [[good]]), /is Python 3\.9/);
    await assert.rejects(findPython(python(folder, "bare", "3.12", false), [[good]]), kind("no-venv"));
  }));

test("on Windows the launcher is used, newest version first", () => {
  assert.deepEqual(candidates("win32").slice(0, 2), [
    ["py", "-3.14"],
    ["py", "-3.13"],
  ]);
  assert.deepEqual(candidates("linux")[0], ["python3"]);
});
