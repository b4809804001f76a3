/** Ghost text in a real VS Code, from the server and the model that the .vsix carries. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CodeServer } from "./codeServer";
import { EditorWindow, openBrowser } from "./editorWindow";
import { CODE, MODEL, REST, TYPED } from "./known";
import { type Own, ownEditors, SETUP_MS } from "./ownEditor";

const FILE = "numbers.py";
const LINE = `    ${TYPED}${REST}`;

/** The title of the list of models. */
const MODELS = "the model that completes";

const ownTest = ownEditors();
/** In which the extension sets its server up, as on a machine that never had it. */
let first: CodeServer;

before(
  async () => {
    const browser = await openBrowser();
    try {
      first = await CodeServer.start();
      const windows = [await EditorWindow.open(browser, first), await EditorWindow.open(browser, first)];
      for (const [at, window] of windows.entries()) {
        await window.edit(`both${at}.py`, CODE);
      }
      for (const window of windows) {
        await window.ready(SETUP_MS);
      }
      for (const window of windows) {
        await typeWhatIsKnown(window);
        assert.deepEqual(await window.messages(), []);
      }
    } finally {
      await browser.close();
    }
  },
  { timeout: 3 * SETUP_MS },
);

after(() => first?.stop());

async function typeWhatIsKnown(window: EditorWindow): Promise<void> {
  await window.type(TYPED);
  await window.ghostIs(REST);
}

/** What the first VS Code has installed and made. */
const setUp = () => ({ extensions: first.extensions, environments: first.environments });

/** A test in a VS Code that was set up before, with a file in which ghost text is about to come. */
function inEditor(name: string, body: (own: Own) => Promise<void>, code = CODE): void {
  ownTest(name, setUp, async (own) => {
    await own.window.edit(FILE, code);
    await own.window.ready();
    await body(own);
  });
}

test("two windows at once set the server up once, from the wheel of the .vsix", () => {
  const made = readdirSync(first.environments);
  assert.equal(made.length, 1, `one environment and no lock: ${made}`);
  const python = join(first.environments, made[0] ?? "", "bin", "python");
  const frozen = execFileSync(python, ["-m", "pip", "freeze"], { encoding: "utf8" });
  assert.match(frozen, /^cg2ls @ file:.*\.whl/m);
});

inEditor("typing code shows ghost text, and Tab accepts all of it", async ({ window }) => {
  await typeWhatIsKnown(window);
  await window.statusThat((text) => / \d+ ms/.test(text), "the latency in the status bar");
  await window.screenshot("ghost-text");
  await window.press("Tab");
  assert.equal(await window.saved(FILE), CODE.replace("    ‸", LINE));
});

inEditor("typing the ghost text keeps its rest on the screen", async ({ window }) => {
  await typeWhatIsKnown(window);
  for (let typed = 1; REST[typed - 1] !== "("; typed++) {
    await window.type(REST[typed - 1] ?? "", 0);
    await window.ghostIs(REST.slice(typed));
  }
});

inEditor("a word is accepted, then the line", async ({ window }) => {
  await typeWhatIsKnown(window);
  await window.press("Control+ArrowRight");
  await window.ghostIs(" in enumerate(lines):");
  await window.press("Control+ArrowRight");
  await window.ghostIs("in enumerate(lines):");
  await window.press("Alt+End");
  assert.equal(await window.saved(FILE), CODE.replace("    ‸", LINE));
});

inEditor("next and previous show the completions of the shipped model", async ({ window }) => {
  await window.type("x = ");
  await window.press("Alt+\\");
  const first = await window.anyGhost();
  await window.press("Alt+]");
  const second = await window.ghostThat((text) => text !== "" && text !== first, `another than ${first}`);
  await window.press("Alt+[");
  await window.ghostIs(first);
  await window.press("Alt+]");
  await window.ghostIs(second);
  await window.press("Tab");
  assert.equal(await window.saved(FILE), CODE.replace("‸", `x = ${second}`));
});

inEditor("typing other text hides the ghost text", async ({ window }) => {
  await typeWhatIsKnown(window);
  await window.type("z");
  await window.ghostThat((text) => text === "" || !REST.endsWith(text), "other ghost text or none");
  assert.equal(await window.saved(FILE), CODE.replace("‸", `${TYPED}z`));
});

inEditor("Escape dismisses", async ({ window }) => {
  await typeWhatIsKnown(window);
  await window.press("Escape");
  await window.staysWithoutGhost();
});

inEditor("one undo reverts an accepted completion", async ({ window }) => {
  await typeWhatIsKnown(window);
  await window.press("Tab");
  assert.equal(await window.saved(FILE), CODE.replace("    ‸", LINE));
  await window.focusEditor();
  await window.press("Control+Z");
  assert.equal(await window.saved(FILE), CODE.replace("‸", TYPED));
});

inEditor(
  "an emoji and a tab before the cursor",
  async ({ window }) => {
    await window.type("is n");
    await window.ghostIs("ot None:");
    await window.press("Tab");
    assert.equal(await window.saved(FILE), 'def show(data):\n\tif "🦉" and data is not None:\n');
  },
  'def show(data):\n\tif "🦉" and data ‸\n',
);

inEditor(
  "a CRLF file keeps its line ends",
  async ({ window }) => {
    await typeWhatIsKnown(window);
    await window.press("Tab");
    assert.equal(await window.saved(FILE), CODE.replace("    ‸", LINE).replaceAll("\n", "\r\n"));
  },
  CODE.replaceAll("\n", "\r\n"),
);

inEditor("brackets that the editor closed are not repeated", async ({ window }) => {
  await window.type("for i, line in enumerate(l");
  await window.anyGhost();
  await window.press("Tab");
  assert.equal(await window.saved(FILE), CODE.replace("    ‸", LINE));
});

inEditor("a setting takes effect at once", async ({ server, window }) => {
  server.settings({ "cg2ls.enable": false });
  await window.statusThat((text) => text.includes("off for python"), "that it is off");
  await window.type(TYPED);
  await window.staysWithoutGhost();
  server.settings({ "[python]": { "cg2ls.enable": true }, "cg2ls.enable": false });
  await window.ready();
  await window.type(REST[0] ?? "");
  await window.ghostIs(REST.slice(1));
});

inEditor(
  "an option of the server takes effect at once, and a key requests text",
  async ({ server, window }) => {
    server.settings({ "cg2ls.automatic": false });
    await window.statusThat((text) => text.includes("automatic"), "that only requests by hand are answered");
    await window.type(TYPED);
    await window.staysWithoutGhost();
    await window.press("Alt+\\");
    await window.ghostIs(REST);
    await window.press("Escape");
    server.settings({});
    await window.ready();
    await window.type(REST[0] ?? "");
    await window.ghostIs(REST.slice(1));
  },
);

inEditor("a file is turned off and on in the menu", async ({ window }) => {
  await window.command("cg2ls: Menu…");
  await window.pick("Turn off for this file", "cg2ls");
  await window.statusThat((text) => text.includes("off in this file"), "that the file is off");
  await window.focusEditor();
  await window.type(TYPED);
  await window.staysWithoutGhost();
  await window.command("cg2ls: Menu…");
  await window.pick("Turn on for this file", "cg2ls");
  await window.ready();
  await window.focusEditor();
  await window.type(REST[0] ?? "");
  await window.ghostIs(REST.slice(1));
});

inEditor("the menu pauses and resumes", async ({ window }) => {
  await window.command("cg2ls: Menu…");
  await window.pick("Pause completions", "cg2ls");
  await window.statusThat((text) => text.includes("paused"), "that it is paused");
  await window.focusEditor();
  await window.type(TYPED);
  await window.staysWithoutGhost();
  await window.command("cg2ls: Menu…");
  await window.pick("Resume completions", "cg2ls");
  await window.ready();
  await window.focusEditor();
  await window.type(REST[0] ?? "");
  await window.ghostIs(REST.slice(1));
});

ownTest(
  "with the menu of suggestions open, ghost text continues the selected one",
  () => ({ ...setUp(), settings: { "editor.wordBasedSuggestions": "currentDocument" } }),
  async ({ window }) => {
    await window.edit(FILE, `# enumerate\n\n\n${CODE}`);
    await window.ready();
    await window.type("for i, line in enum");
    await window.page.locator(".suggest-widget.visible").waitFor({ timeout: 300_000 });
    await window.ghostThat((text) => text.startsWith("erate"), "what follows enum in enumerate");
  },
);

ownTest(
  "a language the model was not trained on gets no completions, and the status names the reason",
  setUp,
  async ({ window }) => {
    await window.edit("notes.lua", "local x = ‸\n");
    await window.statusThat((text) => text.includes("not trained on this language"), "that Lua is unknown");
    await window.type("1 + ");
    await window.staysWithoutGhost();
  },
);

inEditor("the doctor's report opens", async ({ window }) => {
  await window.command("cg2ls: Run Doctor");
  const report = window.page.locator(".editor-group-container.active .view-lines").first();
  await window.until(
    async () => ((await report.textContent()) ?? "").replaceAll("\u00a0", " ").includes("cg2ls doctor"),
    "the report",
  );
});

inEditor("a server that is killed is started again", async ({ server, window }) => {
  const [old] = server.languageServers();
  assert.ok(old, "there is a server");
  await window.statusesAfter(() => void process.kill(old, "SIGKILL"), ["is starting", "is ready"]);
  const now = server.languageServers();
  assert.ok(now.length === 1 && now[0] !== old, `another server than ${old}: ${now}`);
  await typeWhatIsKnown(window);
  assert.deepEqual(await window.messages(), []);
});

inEditor("another model is chosen in the menu and completes", async ({ server, window }) => {
  addModel(server, "python-other");
  await window.command("cg2ls: Choose Model…");
  await window.pick("python-other", MODELS);
  await window.statusThat((text) => text.includes("python-other is ready"), "the other model");
  await window.focusEditor();
  await typeWhatIsKnown(window);
  await window.command("cg2ls: Choose Model…");
  await window.pick("Default", MODELS);
  await window.statusThat((text) => text.includes(`${MODEL} is ready`), "the first model");
});

inEditor("a missing model gives one message with a remedy", async ({ server, window }) => {
  server.settings({ "cg2ls.model": "no-such-model" });
  await window.messageThat(/no-such-model/);
  await window.screenshot("model-missing");
  await window.focusEditor();
  await window.type(TYPED);
  await window.staysWithoutGhost();
  assert.equal((await window.messages()).length, 1);
  server.settings({});
  await window.ghostIs(REST); // without another key
});

/** Adds a copy of the shipped model under another name to the models of a VS Code. */
function addModel(server: CodeServer, name: string): void {
  const [made] = readdirSync(server.environments);
  const environment = join(server.environments, made ?? "");
  const [version] = readdirSync(join(environment, "lib"));
  const shipped = join(environment, "lib", version ?? "", "site-packages", "cg2ls", "default");
  const folder = join(server.home, name);
  cpSync(shipped, folder, { recursive: true, dereference: true });
  const file = join(folder, "model.json");
  const about = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...about, name }));
  const python = join(environment, "bin", "python");
  execFileSync(python, ["-I", "-m", "cg2ls", "models", "add", folder], { env: server.environment });
}
