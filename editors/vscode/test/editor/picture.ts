/** Draws docs/images/vscode.png, the README's picture: the shipped model completes a file. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CodeServer } from "./codeServer";
import { EditorWindow, openBrowser } from "./editorWindow";
import { SETUP_MS } from "./ownEditor";

/** Lines of the sample before the loop that is typed. */
const LINES = 71;
const ROOT = join(__dirname, "../../../../..");
const SAMPLE = join(ROOT, "tools", "samples", "inventory.py");
const PICTURE = join(ROOT, "docs", "images", "vscode.png");
const TYPED = "for item in inven";

const SETTINGS = {
  "workbench.colorTheme": "Default Dark Modern",
  "editor.minimap.enabled": false,
  "editor.stickyScroll.enabled": false,
  "breadcrumbs.enabled": false,
  "editor.fontSize": 15,
  "editor.quickSuggestions": { other: "off" },
};

async function main(): Promise<void> {
  const browser = await openBrowser();
  const server = await CodeServer.start({ settings: SETTINGS });
  try {
    const window = await EditorWindow.open(browser, server);
    const before = readFileSync(SAMPLE, "utf8").split("\n").slice(0, LINES).join("\n");
    await window.edit("inventory.py", `${before}\n    ‸\n`);
    await window.ready(SETUP_MS);
    await window.command("View: Close Primary Side Bar");
    const reading = async () =>
      (await window.statusItems()).some((text) => text.includes("reading the workspace"));
    await window.until(async () => !(await reading()), "the workspace is read");
    await window.focusEditor();
    await window.type(TYPED);
    await window.anyGhost();
    await window.statusThat((text) => / \d+ ms/.test(text), "the latency in the status bar");
    await window.page.screenshot({ path: PICTURE });
  } finally {
    await browser.close();
    await server.stop();
  }
}

void main();
