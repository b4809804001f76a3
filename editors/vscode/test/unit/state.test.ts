import assert from "node:assert/strict";
import { test } from "node:test";
import { Latency } from "../../src/latency";
import { noPython } from "../../src/problem";
import { Restarts } from "../../src/restarts";
import { type ServerStatus, stateFrom, statusText, type View } from "../../src/state";

const READY: ServerStatus = { state: "ready", message: "python-small is ready.", model: "python-small" };
const view = (more: Partial<View>): View => ({
  state: stateFrom(READY),
  off: undefined,
  language: "python",
  lastMs: undefined,
  medianMs: undefined,
  ...more,
});

test("a model that answers shows its name and its last latency", () => {
  assert.equal(statusText(view({})).text, "$(sparkle) python-small");
  const shown = statusText(view({ lastMs: 41.6, medianMs: 38.2 }));
  assert.equal(shown.text, "$(sparkle) python-small 42 ms");
  assert.equal(shown.tooltip, "python-small is ready. Median of the last answers: 38 ms.");
});

test("what is off says why", () => {
  assert.match(statusText(view({ off: "paused" })).tooltip, /paused in this window/);
  assert.match(statusText(view({ off: "file" })).tooltip, /off in this file/);
  assert.match(statusText(view({ off: "language" })).tooltip, /off for python/);
  const idle = view({ off: "paused", state: { kind: "idle" } });
  assert.match(statusText(idle).tooltip, /paused in this window/, "also before the server was started");
  const state = stateFrom({ ...READY, state: "off", message: "python-small does not know lua." });
  assert.match(statusText(view({ state })).tooltip, /does not know lua/);
});

test("a problem is coloured and names its remedy", () => {
  const stopped = statusText(view({ state: { kind: "stopped", problem: noPython() } }));
  assert.equal(stopped.severity, "error");
  assert.match(stopped.tooltip, /Install one/);
  const state = stateFrom({ ...READY, state: "failed", message: "There is no model." });
  assert.deepEqual(statusText(view({ state })).severity, "warning");
});

test("a server that is at work looks as one that is ready: typing must not make it flicker", () => {
  const busy = stateFrom({ ...READY, state: "busy", message: "python-small is at work." });
  assert.deepEqual(busy, stateFrom(READY));
});

test("a server that ends is started three times in three minutes, then not again", () => {
  let now = 0;
  const restarts = new Restarts(() => now);
  assert.deepEqual(
    [restarts.ended(), restarts.ended(), restarts.ended(), restarts.ended()],
    [250, 500, 1000, undefined],
  );
  assert.equal(restarts.count, 4);
  now = 180_001;
  assert.equal(restarts.ended(), 250);
  restarts.forget();
  assert.equal(restarts.count, 0);
});

test("the median is of the last two hundred answers", () => {
  const latency = new Latency();
  assert.equal(latency.median, undefined);
  for (let at = 0; at < 500; at++) {
    latency.add(at);
  }
  assert.equal(latency.last, 499);
  assert.equal(latency.median, 400);
});
