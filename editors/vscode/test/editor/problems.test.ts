/** What keeps the server from answering, in a real VS Code: one message each, with the mend. */

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { CodeServer } from "./codeServer";
import { EditorWindow, openBrowser } from "./editorWindow";

const CODE = "def area(width, height):\n    return ‸\n";
const PATIENCE_MS = 120_000;
let browser: Browser;
let server: CodeServer;
let window: EditorWindow;

before(async () => {
  browser = await openBrowser();
  // a PATH without any Python, and an index nobody answers at
  const empty = {
    PATH: "/nonexistent",
    SHELL: "/bin/true", // VS Code asks it for a login's PATH
    PIP_CONFIG_FILE: "/dev/null",
    PIP_INDEX_URL: "http://127.0.0.1:9/",
    PIP_RETRIES: "0",
  };
  server = await CodeServer.start({ env: empty });
  window = await EditorWindow.open(browser, server);
  await window.edit("area.py", CODE);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Makes a program of a few shell lines. */
function program(name: string, ...lines: string[]): string {
  const path = join(server.home, name);
  writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"));
  chmodSync(path, 0o755);
  return path;
}

/** A Python that says of itself what a test wants, and runs nothing. */
function fakePython(name: string, version: string, hasVenv: boolean): string {
  const about = `{"executable": "$0", "version": [${version}], "hasVenv": ${hasVenv}}`;
  return program(name, `echo '${about.replace("$0", join(server.home, name))}'`);
}

/** Sets what is wrong, waits for its message, and checks that it is the only one and that the status has it too. */
async function oneMessage(settings: Record<string, unknown>, says: RegExp): Promise<void> {
  await window.command("Notifications: Clear All Notifications");
  server.settings(settings);
  await window.messageThat(says, PATIENCE_MS);
  await window.statusThat((text) => says.test(text), "the same in the status bar");
  const told = await window.messages();
  assert.equal(told.length, 1, told.join("\n"));
  await window.press("Escape");
}

test("no Python", async () => {
  await window.messageThat(/found no Python.*cg2ls\.python\.path/);
  await window.statusThat((text) => text.includes("found no Python"), "the same in the status bar");
  assert.equal((await window.messages()).length, 1);
  await window.screenshot("no-python");
});

test("no message stands twice, however often one looks at a file", async () => {
  await window.command("Notifications: Clear All Notifications");
  await window.edit("other.py", CODE);
  await window.type("width");
  await sleep(1_000);
  assert.deepEqual(await window.messages(), []);
});

test("a Python that does not exist", async () => {
  await oneMessage({ "cg2ls.python.path": "/nowhere/python3" }, /\/nowhere\/python3.*does not run/);
});

test("a Python that is too old", async () => {
  const python = fakePython("python3.9", "3, 9", true);
  await oneMessage({ "cg2ls.python.path": python }, /is Python 3\.9.*3\.11 to 3\.14/);
});

test("a Python without venv", async () => {
  const python = fakePython("python3.12", "3, 12", false);
  await oneMessage({ "cg2ls.python.path": python }, /lacks the modules venv.*python3\.12-venv/);
});

test("no way to the package index", async () => {
  const python = process.env.CG2LS_PYTHON ?? "";
  await oneMessage({ "cg2ls.python.path": python }, /package index.*could not be reached/);
});

test("a server path that does not exist", async () => {
  await oneMessage({ "cg2ls.server.path": "/nowhere/cg2ls" }, /\/nowhere\/cg2ls.*does not exist/);
});

test("a server that ends at once", async () => {
  const path = program("ends", "echo 'no module named pygls' >&2", "exit 3");
  await oneMessage({ "cg2ls.server.path": path }, /exit status 3.*no module named pygls/);
});

test("a program that speaks another protocol", async () => {
  const path = program("speaks", "echo 'Hello, what would you like to do?'", "exec /bin/sleep 60");
  await oneMessage({ "cg2ls.server.path": path }, /does not speak the language server protocol/);
});

test("a server that ends again and again is left alone", async () => {
  const run = `exec ${process.env.CG2LS_PYTHON} -I -c "import sys; from cg2ls.__main__ import main; main()" "$@"`;
  const path = program("dies", "(/bin/sleep 2; kill -9 $$) &", run);
  await oneMessage({ "cg2ls.server.path": path }, /has ended 4 times/);
});

test("the user's own server answers once the setting is right", async () => {
  const path = program("own-cg2ls", `exec ${process.env.CG2LS_PYTHON} -m cg2ls "$@"`);
  server.settings({ "cg2ls.server.path": path });
  await window.statusThat((text) => text.includes("python-small"), "the model's name");
  await window.edit("third.py", CODE);
  await window.type("wid");
  await window.anyGhost();
});

test("several completions are gone through, an error is no pop-up, a repeated message stands once", async () => {
  await window.command("Notifications: Clear All Notifications");
  const script = join(__dirname, "..", "..", "..", "test", "editor", "twoAnswers.mjs");
  const path = program("two", `exec '${process.execPath}' '${script}'`);
  server.settings({ "cg2ls.server.path": path });
  await window.statusThat((text) => text.includes("two-answers"), "the model's name");
  await window.edit("fourth.py", "# ‸\n");
  // the first request is refused
  for (let typed = 0; typed < 10 && !(await window.ghost()); typed++) {
    await window.type("a");
    await sleep(500);
  }
  await window.ghostThat((text) => text === "first()", "the first");
  await window.press("Alt+]");
  await window.ghostThat((text) => text === "second()", "the next");
  await window.press("Alt+[");
  await window.ghostThat((text) => text === "first()", "the previous");
  assert.deepEqual(await window.messages(), ["cg2ls: the same, twice"]);
});

test("a folder that is not trusted: one message, and completions once it is", {
  timeout: 300_000,
}, async () => {
  const path = program("cg2ls-too", `exec ${process.env.CG2LS_PYTHON} -m cg2ls "$@"`);
  const wary = await CodeServer.start({ trusted: false, settings: { "cg2ls.server.path": path } });
  try {
    const there = await EditorWindow.open(browser, wary);
    await there.edit("area.py", CODE);
    await there.messageThat(/until you trust this folder/);
    await there.statusThat((text) => text.includes("until you trust"), "the same in the status bar");
    await there.screenshot("untrusted");
    assert.equal((await there.messages()).length, 1);
    assert.deepEqual(wary.languageServers(), []);
    await there.command("cg2ls: Manage Workspace Trust");
    await there.page.getByRole("button", { name: "Trust", exact: true }).first().click();
    await there.statusThat((text) => text.includes("python-small"), "the model's name");
  } finally {
    await wary.stop();
  }
});
