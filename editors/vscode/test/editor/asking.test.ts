/** When requests are sent, in a real VS Code: at keys, explicitly, and once the server has become ready. */

import assert from "node:assert/strict";
import { after } from "node:test";
import { GREETING } from "./editorWindow";
import { CODE, REST, TYPED } from "./known";
import { installedOnce } from "./ownEditor";
import { Programs, serverPath } from "./programs";

const FILE = "numbers.py";

const programs = new Programs();
after(() => programs.remove());

const inEditor = installedOnce();

inEditor(
  "text typed before the server was ready gets ghost text without another key, also after a crash",
  () => serverPath(programs.server("held", { held: true })),
  async ({ window }) => {
    await window.edit(FILE, CODE);
    await window.statusThat((text) => text.includes("is starting"), "that it is starting");
    await window.type(TYPED);
    programs.release("held");
    await window.ghostIs(REST);

    programs.hold("held");
    process.kill(programs.pids("held").at(-1) ?? 0, "SIGKILL");
    await window.statusThat((text) => text.includes("is starting"), "that it is starting again");
    await window.press("Escape");
    await window.type(REST[0] ?? "");
    programs.release("held");
    await window.ghostIs(REST.slice(1));
    assert.deepEqual(await window.messagesAndGreeting(), [GREETING]);
  },
);

inEditor(
  "a server that has become ready gets no request if nothing was typed",
  () => serverPath(programs.fake("unasked")),
  async ({ window }) => {
    await window.edit(FILE, "# ‸\n");
    await window.ready();
    await window.staysWithoutGhost();
    assert.deepEqual(programs.log("unasked"), []);
  },
);

inEditor(
  "nor if VS Code shows no ghost text while typing",
  () => {
    const { settings } = serverPath(programs.server("silent", { held: true }));
    return { settings: { ...settings, "editor.inlineSuggest.enabled": false } };
  },
  async ({ window }) => {
    await window.edit(FILE, CODE);
    await window.statusThat((text) => text.includes("is starting"), "that it is starting");
    await window.type(TYPED);
    programs.release("silent");
    await window.ready();
    await window.staysWithoutGhost();
    await window.press("Alt+\\");
    await window.ghostIs(REST);
  },
);

inEditor(
  "next and previous show several completions, an error is no pop-up, a repeated message is shown once",
  () => serverPath(programs.fake("two")),
  async ({ window }) => {
    await window.edit(FILE, "# ‸\n");
    await window.ready();
    await window.type("a");
    await window.until(async () => programs.log("two").includes("refused"), "the first request is refused");
    await window.type("b");
    await window.ghostIs("first()");
    await window.press("Alt+]");
    await window.ghostIs("second()");
    await window.press("Alt+[");
    await window.ghostIs("first()");
    const asked = programs.log("two").filter((line) => line.startsWith("asked"));
    assert.deepEqual(asked.slice(0, 2), ["asked automatically", "asked automatically"]);
    assert.equal(asked.at(-1), "asked by hand");
    assert.deepEqual(await window.messages(), ["cg2ls: the same, twice"]);
  },
);
