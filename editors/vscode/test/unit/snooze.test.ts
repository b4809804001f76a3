import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SNOOZES, Snooze } from "../../src/snooze";

function snoozed(minutes: number) {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const seen = { changes: 0 };
  const snooze = new Snooze(() => {
    seen.changes += 1;
  });
  snooze.begin(minutes);
  return { snooze, seen };
}

for (const minutes of SNOOZES) {
  test(`a snooze of ${minutes} minutes ends by itself, and the last minute counts as one`, () => {
    const { snooze, seen } = snoozed(minutes);
    assert.equal(snooze.minutesLeft, minutes);
    mock.timers.tick((minutes - 0.5) * 60_000);
    assert.equal(snooze.minutesLeft, 1);
    assert.equal(seen.changes, 1);
    mock.timers.tick(30_000);
    assert.equal(snooze.minutesLeft, 0);
    assert.equal(seen.changes, 2);
    mock.timers.reset();
  });
}

test("a snooze that is begun again lasts as long as the later one says", () => {
  const { snooze } = snoozed(5);
  snooze.begin(60);
  mock.timers.tick(6 * 60_000);
  assert.equal(snooze.minutesLeft, 54);
  mock.timers.reset();
});

test("a snooze can be ended early", () => {
  const { snooze } = snoozed(60);
  snooze.end();
  assert.equal(snooze.minutesLeft, 0);
  mock.timers.reset();
});
