import assert from "node:assert/strict";
import { test } from "node:test";
import { isGivenByOldName } from "../../src/renamed";

const set =
  (...names: string[]) =>
  (name: string) =>
    names.includes(name);

test("a default is not sent with the user's value under the old name", () => {
  assert.equal(isGivenByOldName("repositoryMemory", set("memory")), true);
});

test("what the user set under the new name is sent", () => {
  assert.equal(isGivenByOldName("repositoryMemory", set("repositoryMemory")), false);
  assert.equal(isGivenByOldName("repositoryMemory", set("memory", "repositoryMemory")), false);
  assert.equal(isGivenByOldName("repositoryMemory", set()), false);
  assert.equal(isGivenByOldName("maxLines", set("memory")), false);
});
