/** Ghost text in a real VS Code, from the server and the model that the .vsix carries. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { CodeServer } from "./codeServer";
import { EditorWindow, openBrowser } from "./editorWindow";

/** A file whose next line every model of Python can guess. */
const POINT = `class Point:
    """A point in the plane."""

    def __init__(self, x: float, y: float) -> None:
        self.x = x
        self.y = y

    def add(self, other: "Point") -> "Point":
        return Point(self.x + other.x, self.y + other.y)

    def subtract(self, other: "Point") -> "Point":
        ‸
`;

/** A file with a place where the shipped model has no doubt. */
const ITEM = `from pathlib import Path


class Item:
    """A thing in stock."""

    def __init__(self, name: str, price: float, quantity: int) -> None:
        self.name = name
        ‸

    def total(self) -> float:
        return self.price * self.quantity


def read_items(path: Path) -> list[Item]:
    """Reads one item a line: name, price and quantity."""
    items = []
    with path.open() as file:
        for line in file:
            name, price, quantity = line.split(",")
            items.append(Item(name, float(price), int(quantity)))
    return items
`;

const SETUP_MS = 300_000;
let browser: Browser;
let server: CodeServer;
let window: EditorWindow;
let files = 0;

before(async () => {
  browser = await openBrowser();
  // these tests are about the editor: a model in doubt shows what it has
  server = await CodeServer.start({ settings: { "cg2ls.minConfidence": 0 } });
  window = await EditorWindow.open(browser, server);
});

beforeEach(() => {
  server.settings({});
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const newName = () => `file${++files}.py`;

/** Opens a new file with the cursor where `‸` stands, types, and waits for ghost text. */
async function ghostAfter(
  marked: string,
  typed: string,
  name = newName(),
): Promise<{ name: string; ghost: string }> {
  await window.edit(name, marked);
  await window.type(typed);
  const ghost = await window.anyGhost();
  return { name, ghost };
}

/** Waits until the ghost text has stopped changing. */
async function settled(): Promise<string> {
  let last = await window.ghost();
  for (let same = 0; same < 16; ) {
    await sleep(50);
    const now = await window.ghost();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}

test("two windows set the server up once, from the wheel of the .vsix", { timeout: SETUP_MS }, async () => {
  const second = await EditorWindow.open(browser, server);
  try {
    await window.edit("first.py", "import os‸\n");
    await second.edit("second.py", "import sys‸\n");
    const ready = (text: string) => text.includes("python-small");
    await window.statusThat(ready, "the model's name in the status bar", SETUP_MS);
    await second.statusThat(ready, "the model's name in the second window", SETUP_MS);
    assert.deepEqual(await window.messages(), []);
  } finally {
    await second.close();
  }
  const made = readdirSync(server.environments);
  assert.equal(made.length, 1, `one environment and no lock: ${made}`);
  const python = join(server.environments, made[0] ?? "", "bin", "python");
  const frozen = execFileSync(python, ["-m", "pip", "freeze"], { encoding: "utf8" });
  assert.match(frozen, /^cg2ls @ file:.*\.whl/m);
});

test("ghost text comes as the extension comes, without a setting", async () => {
  server.settings({ "cg2ls.minConfidence": null });
  await window.edit("inventory.py", ITEM);
  await window.type("self.p");
  assert.match(await window.anyGhost(), /^rice = price/);
  await window.statusThat((text) => / \d+ ms/.test(text), "the latency in the status bar");
  await window.screenshot("ghost-text");
});

test("code that is typed brings ghost text, and Tab takes it all", async () => {
  const { name, ghost } = await ghostAfter(POINT, "return Point(");
  const before = await window.saved(name);
  await window.focusEditor();
  await window.anyGhost();
  await window.press("Tab");
  const after = await window.saved(name);
  assert.ok(after.length > before.length);
  assert.ok(after.includes(ghost.split("\n")[0] ?? "?"), `${ghost} stands in ${after}`);
});

test("typing what the ghost text says keeps its rest on the screen", async () => {
  const { ghost } = await ghostAfter(POINT, "return ");
  const first = ghost.split("\n")[0] ?? "";
  const word = /^\w+/.exec(first)?.[0] ?? "";
  assert.ok(word.length >= 4, first);
  for (let typed = 1; typed <= word.length; typed++) {
    await window.type(first[typed - 1] ?? "", 0);
    const rest = first.slice(typed);
    await window.ghostThat((text) => text.split("\n")[0] === rest, `the rest ${rest}`);
  }
  assert.equal((await settled()).split("\n")[0], first.slice(word.length));
});

test("a word is taken, then the line", async () => {
  const { name, ghost } = await ghostAfter(POINT, "return ");
  const line = ghost.split("\n")[0] ?? "";
  await window.press("Control+ArrowRight");
  const rest = await window.ghostThat((text) => text !== ghost, "less ghost text");
  const word = line.slice(0, line.length - (rest.split("\n")[0] ?? "").length);
  assert.match(word, /^\s*\w+$|^\W+$/);
  assert.match(await window.saved(name), new RegExp(`return ${word.replaceAll(/\W/g, "\\$&")}`));
  await window.focusEditor();
  await window.anyGhost();
  await window.press("Alt+End");
  assert.ok((await window.saved(name)).includes(`return ${line}`));
});

test("typing something else takes the ghost text away", async () => {
  const { ghost } = await ghostAfter(POINT, "return Point(");
  await window.type("zq");
  await window.ghostThat(
    (text) => text !== ghost && !ghost.endsWith(text || "?"),
    "other ghost text or none",
  );
});

test("Escape dismisses", async () => {
  await ghostAfter(POINT, "return Point(");
  await window.press("Escape");
  assert.equal(await settled(), "");
});

test("one undo takes an accepted completion back", async () => {
  const { name } = await ghostAfter(POINT, "return Point(");
  await settled();
  const before = await window.saved(name);
  await window.focusEditor();
  await window.anyGhost();
  await window.press("Tab");
  assert.notEqual(await window.saved(name), before);
  await window.focusEditor();
  await window.press("Control+Z");
  assert.equal(await window.saved(name), before);
});

test("an emoji and a tab before the cursor", async () => {
  const marked = 'def greet(name):\n\tsmile = "😀"; return "😀 " ‸\n';
  const { name, ghost } = await ghostAfter(marked, "+ ");
  await settled();
  await window.press("Tab");
  const line = (await window.saved(name)).split("\n")[1] ?? "";
  assert.ok(line.startsWith('\tsmile = "😀"; return "😀 " + '), line);
  assert.ok(line.length > '\tsmile = "😀"; return "😀 " + '.length, `${line} has ${ghost}`);
});

test("a CRLF file keeps its line ends", async () => {
  const marked = POINT.replaceAll("\n", "\r\n");
  const { name } = await ghostAfter(marked, "return Point(");
  await settled();
  await window.press("Tab");
  const text = await window.saved(name);
  assert.doesNotMatch(text, /[^\r]\n/);
  assert.ok(text.length > marked.length + "return Point(".length - 1);
});

test("brackets the editor closed by itself do not stand twice", async () => {
  const { name } = await ghostAfter(POINT, "return Point(");
  await settled();
  await window.press("Tab");
  const line =
    (await window.saved(name)).split("\n").find((each, at) => at > 10 && each.includes("return")) ?? "";
  const count = (bracket: string) => line.split(bracket).length - 1;
  assert.equal(count("("), count(")"), line);
});

test("a setting changes what is shown at once", async () => {
  server.settings({ "cg2ls.enable": false });
  await window.statusThat((text) => text.includes("off for python"), "that it is off");
  await window.edit(newName(), POINT);
  await window.type("return Point(");
  assert.equal(await settled(), "");
  server.settings({ "[python]": { "cg2ls.enable": true }, "cg2ls.enable": false });
  await window.statusThat((text) => text.includes("is ready"), "that it is on for Python");
  await window.type("s");
  await window.anyGhost();
});

test("a file is turned off and on in the menu", async () => {
  await window.edit(newName(), POINT);
  await window.command("cg2ls: Menu…");
  await window.pick("Turn off for this file");
  await window.statusThat((text) => text.includes("off in this file"), "that the file is off");
  await window.focusEditor();
  await window.type("return Point(");
  assert.equal(await settled(), "");
  await window.command("cg2ls: Menu…");
  await window.pick("Turn on for this file");
  await window.focusEditor();
  await window.type("s");
  await window.anyGhost();
});

test("beside the menu of suggestions, ghost text goes on from the selected one", async () => {
  server.settings({ "editor.wordBasedSuggestions": "currentDocument" });
  await window.edit(newName(), POINT);
  await window.type("return Po");
  await window.page.waitForSelector(".suggest-widget.visible");
  await window.ghostThat((text) => text.startsWith("int"), "what follows Po in Point");
});

test("a language the model was not trained on stays silent, and the status says so", async () => {
  await window.edit("notes.lua", "local x = ‸\n");
  await window.statusThat((text) => text.includes("not trained on this language"), "that Lua is unknown");
  await window.type("1 + ");
  assert.equal(await settled(), "");
});

test("the doctor's report opens", async () => {
  await window.command("cg2ls: Run Doctor");
  await window.until(
    async () => /doctor/.test((await window.page.locator(".view-lines").first().textContent()) ?? ""),
    "the report",
  );
});

test("the menu pauses and resumes", async () => {
  await window.edit(newName(), POINT);
  await window.command("cg2ls: Menu…");
  await window.pick("Pause completions");
  await window.statusThat((text) => text.includes("paused"), "that it is paused");
  await window.focusEditor();
  await window.type("return Point(");
  assert.equal(await settled(), "");
  await window.command("cg2ls: Menu…");
  await window.pick("Resume completions");
  await window.focusEditor();
  await window.type("s");
  await window.anyGhost();
});

test("a server that is killed comes back by itself", async () => {
  await window.edit(newName(), POINT);
  const [old] = server.languageServers();
  assert.ok(old, "there is a server");
  process.kill(old, "SIGKILL");
  await window.until(async () => {
    const now = server.languageServers();
    return now.length === 1 && now[0] !== old;
  }, "another server");
  await sleep(1_000); // the status bar may still show the old one
  await window.statusThat((text) => text.includes("is ready"), "that it is ready");
  await window.focusEditor();
  await window.type("return Point(");
  await window.anyGhost();
  assert.deepEqual(await window.messages(), []);
});

test("another model is chosen in the menu, and answers", async () => {
  addModel("python-other");
  await window.edit(newName(), POINT);
  await window.command("cg2ls: Choose Model…");
  await window.pick("python-other");
  await window.statusThat((text) => text.includes("python-other"), "the other model's name");
  await window.focusEditor();
  await window.type("return Point(");
  await window.anyGhost();
  await window.command("cg2ls: Choose Model…");
  await window.pick("Default");
  await window.statusThat((text) => text.includes("python-small"), "the first model's name");
});

test("a model that is not there is one message with its mend", async () => {
  server.settings({ "cg2ls.model": "no-such-model" });
  await window.messageThat(/no-such-model/);
  await window.screenshot("model-missing");
  await window.edit(newName(), POINT);
  await window.type("return Point(");
  assert.equal((await window.messages()).length, 1);
  server.settings({});
  await window.statusThat((text) => text.includes("is ready"), "that it is ready again");
});

/** Adds a copy of the shipped model under another name. */
function addModel(name: string): void {
  const lib = join(environment(), "lib");
  const [python] = readdirSync(lib);
  const folder = join(server.home, name);
  cpSync(join(lib, python ?? "", "site-packages", "cg2ls", "default"), folder, { recursive: true });
  const file = join(folder, "model.json");
  const about = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...about, name }));
  cg2ls("models", "add", folder);
}

/** The Python environment the extension made. */
function environment(): string {
  const [made] = readdirSync(server.environments);
  return join(server.environments, made ?? "");
}

function cg2ls(...args: string[]): string {
  const python = join(environment(), "bin", "python");
  const env = server.environment;
  return execFileSync(python, ["-I", "-m", "cg2ls", ...args], { encoding: "utf8", env });
}
