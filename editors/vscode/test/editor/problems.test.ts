/** Problems that prevent the server from answering, in a real VS Code: one message each, with the remedy. */

import assert from "node:assert/strict";
import { after } from "node:test";
import type { CodeServerOptions } from "./codeServer";
import type { EditorWindow } from "./editorWindow";
import { CODE, REST, TYPED } from "./known";
import { installedOnce, type Own } from "./ownEditor";
import { Programs, PYTHON, pythonPath, serverPath } from "./programs";

const FILE = "numbers.py";
/** Includes the time of pip, which tries an index that does not answer. */
const PATIENCE_MS = 600_000;

const programs = new Programs();
after(() => programs.remove());

const inEditor = installedOnce();

/** A fake Python that prints the facts a test gives, and runs nothing. */
function fakePython(name: string, version: string, hasVenv: boolean): string {
  const about = `{"executable": "${programs.path(name)}", "version": [${version}], "hasVenv": ${hasVenv}}`;
  return programs.make(name, `echo '${about}'`);
}

/** Waits for a message, and checks that it is the only one, as a notification and in the status bar. */
async function isOneMessage(window: EditorWindow, says: RegExp): Promise<void> {
  await window.messageThat(says, PATIENCE_MS);
  await window.statusThat((text) => says.test(text), "the same in the status bar");
  await window.edit("other.py", CODE);
  await window.type(TYPED);
  await window.staysWithoutGhost();
  const told = await window.messages();
  assert.equal(told.length, 1, told.join("\n"));
}

/** A test in a VS Code with invalid settings. */
function wrong(
  name: string,
  options: () => CodeServerOptions,
  says: RegExp,
  then?: (own: Own) => Promise<void>,
) {
  inEditor(name, options, async (own) => {
    await own.window.edit(FILE, CODE);
    await isOneMessage(own.window, says);
    await then?.(own);
  });
}

wrong(
  "no Python",
  // VS Code asks the shell for a login's PATH
  () => ({ env: { PATH: "/nonexistent", SHELL: "/bin/true" } }),
  /found no Python.*cg2ls\.python\.path/,
  async ({ window }) => void (await window.screenshot("no-python")),
);

wrong(
  "a Python that does not exist",
  () => pythonPath("/nowhere/python3"),
  /\/nowhere\/python3.*does not run.*Set it to/,
);

wrong(
  "a Python that is too old",
  () => pythonPath(fakePython("python3.9", "3, 9", true)),
  /is Python 3\.9.*3\.11 to 3\.14/,
);

wrong(
  "a Python without venv",
  () => pythonPath(fakePython("python3.12", "3, 12", false)),
  /lacks the modules venv.*python3\.12-venv/,
);

wrong(
  "no way to the package index",
  () => {
    const nobody = { PIP_CONFIG_FILE: "/dev/null", PIP_INDEX_URL: "http://127.0.0.1:9/", PIP_RETRIES: "0" };
    return pythonPath(PYTHON, nobody);
  },
  /package index.*could not be reached.*cg2ls\.server\.path/,
);

wrong(
  "a server path that does not exist, and the user's own server once it is right",
  () => serverPath("/nowhere/cg2ls"),
  /\/nowhere\/cg2ls.*does not exist.*clear it/,
  async ({ server, window }) => {
    server.settings({ "cg2ls.server.path": programs.server("own-cg2ls") });
    await window.ready();
    await window.focusEditor();
    await window.type(REST[0] ?? "");
    await window.ghostIs(REST.slice(1));
  },
);

wrong(
  "a server that ends at once",
  () => serverPath(programs.make("ends", "echo 'no module named pygls' >&2", "exit 3")),
  /exit status 3.*no module named pygls/,
);

wrong(
  "a program that speaks another protocol",
  () =>
    serverPath(programs.make("speaks", "echo 'Hello, what would you like to do?'", "exec /bin/sleep 600")),
  /does not speak the language server protocol.*must be the cg2ls command/,
);

inEditor(
  "a server that ends again and again is not restarted",
  () => serverPath(programs.server("dies")),
  async ({ window }) => {
    const pids = () => programs.pids("dies");
    await window.edit(FILE, CODE);
    await window.ready();
    for (let restarts = 0; restarts < 3; restarts++) {
      await window.statusesAfter(
        () => void process.kill(pids().at(-1) ?? 0, "SIGKILL"),
        ["is starting", "is ready"],
      );
    }
    assert.deepEqual(await window.messages(), []);
    process.kill(pids().at(-1) ?? 0, "SIGKILL");
    await isOneMessage(window, /has ended 4 times.*not started again/);
    assert.equal(pids().length, 4);
  },
);

inEditor(
  "an untrusted folder: one message and no process, then completions once it is trusted",
  () => ({ ...serverPath(programs.server("wary-cg2ls")), trusted: false }),
  async ({ window }) => {
    await window.edit(FILE, CODE);
    await isOneMessage(window, /until you trust this folder/);
    assert.deepEqual(programs.pids("wary-cg2ls"), [], "no server was started");
    await window.screenshot("untrusted");
    await window.command("cg2ls: Manage Workspace Trust");
    await window.page.getByRole("button", { name: "Trust", exact: true }).first().click();
    await window.ready();
    await window.edit("trusted.py", "def show(data):\n    ‸\n"); // the workspace's memory knows the other by now
    await window.type("if data is n");
    await window.ghostIs("ot None:");
  },
);
