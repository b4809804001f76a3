import assert from "node:assert/strict";
import { test } from "node:test";
import { Lines, run } from "../../src/process";
import { inFolder, program } from "./programs";

test("a program's words and status are given back", () =>
  inFolder(async (folder) => {
    const lines: string[] = [];
    const path = program(folder, "says", "echo one", "echo two >&2", "exit 3");
    const ended = await run(path, [], { onLine: (line) => lines.push(line) });
    assert.deepEqual(ended, { status: 3, stdout: "one\n", stderr: "two\n" });
    assert.deepEqual(lines.sort(), ["one", "two"]);
  }));

test("a program is run with ONNX Runtime's telemetry off, over the user's own value", () =>
  inFolder(async (folder) => {
    const before = process.env.ORT_DISABLE_TELEMETRY;
    process.env.ORT_DISABLE_TELEMETRY = "0";
    try {
      const says = program(folder, "says", 'echo "$ORT_DISABLE_TELEMETRY" "$HOME"');
      assert.equal((await run(says, [])).stdout, `1 ${process.env.HOME}\n`);
    } finally {
      if (before === undefined) {
        delete process.env.ORT_DISABLE_TELEMETRY;
      } else {
        process.env.ORT_DISABLE_TELEMETRY = before;
      }
    }
  }));

test("a program that is not there, or takes too long, is no exception", () =>
  inFolder(async (folder) => {
    assert.equal((await run("/nowhere/program", [])).failure, "ENOENT");
    const slow = program(folder, "slow", "exec sleep 60");
    assert.equal((await run(slow, [], { timeoutMs: 50 })).status, null);
    assert.equal((await run(slow, [], { signal: AbortSignal.timeout(50) })).status, null);
  }));

test("text that comes in pieces is cut at line ends", () => {
  const lines: string[] = [];
  const cut = new Lines((line) => lines.push(line));
  for (const piece of ["a", "b\nc", "\r\nd\n\n", "e"]) {
    cut.add(piece);
  }
  assert.deepEqual(lines, ["ab", "c", "d", ""]);
});
