import assert from "node:assert/strict";
import { test } from "node:test";
import { redacted } from "../../src/redacted";

test("neither the home folder nor the user's name is left", () => {
  const text = "model /home/ada/models/x\nfolder C:\\Users\\ada\\AppData\nowner ada";
  const found = redacted(redacted(text, "/home/ada", "ada"), "C:\\Users\\USER", "ada");
  assert.equal(found, "model ~/models/x\nfolder ~\\AppData\nowner USER");
});

test("a name too short to be told from other words is left alone", () => {
  assert.equal(redacted("io and /r", "/", "io"), "io and /r");
});
