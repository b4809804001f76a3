import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { pageFor } from "../../scripts/page.mjs";

const README = readFileSync("README.md", "utf8");
const RELATIVE = /\]\((?!https:|#)/;

test("the page has no relative picture or link, with an address and without", () => {
  assert.match(README, RELATIVE);
  assert.doesNotMatch(pageFor(README, undefined), RELATIVE);
  assert.doesNotMatch(pageFor(README, "https://github.com/o/n"), RELATIVE);
});

test("with an address the picture is an absolute one", () => {
  const text = "![a](../../docs/images/vscode.png) [b](../../docs/user/privacy.md)";
  assert.equal(
    pageFor(text, "https://github.com/o/n"),
    "![a](https://raw.githubusercontent.com/o/n/main/docs/images/vscode.png)" +
      " [b](https://github.com/o/n/blob/main/docs/user/privacy.md)",
  );
});
