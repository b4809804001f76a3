/** The menu behind the status bar item. */

import { type QuickPickItem, window, workspace } from "vscode";
import { SNOOZES } from "./snooze";
import type { State } from "./state";
import type { Switches } from "./switches";

interface Entry extends QuickPickItem {
  readonly command: string;
}

/** Shows the actions for this document and returns the chosen command. */
export async function pickFromMenu(state: State, switches: Switches): Promise<string | undefined> {
  const picked = await window.showQuickPick(entries(state, switches), { title: "cg2ls" });
  return picked?.command;
}

function entries(state: State, switches: Switches): Entry[] {
  const document = window.activeTextEditor?.document;
  const found: Entry[] = [];
  const add = (label: string, command: string) => found.push({ label, command: `cg2ls.${command}` });
  if (state.kind === "untrusted") {
    add("$(shield) Manage workspace trust", "trust");
  }
  if (switches.paused) {
    const left = switches.minutesLeft;
    add(left ? `$(play) Resume completions (${left} min left)` : "$(play) Resume completions", "togglePause");
  } else {
    add("$(debug-pause) Pause completions in this window", "togglePause");
    add(`$(bell-slash) Snooze for ${SNOOZES.join(", ")} minutes…`, "snooze");
  }
  if (document) {
    const off = switches.off(document);
    const language = document.languageId;
    add(`$(code) Turn ${off === "language" ? "on" : "off"} for ${language}`, "toggleLanguage");
    add(`$(file) Turn ${switches.isFileOff(document) ? "on" : "off"} for this file`, "toggleFile");
  }
  if (workspace.workspaceFolders) {
    add(`$(folder) Turn ${switches.workspaceOff ? "on" : "off"} for this workspace`, "toggleWorkspace");
  }
  add("$(database) Choose the model…", "chooseModel");
  add("$(graph) Statistics", "statistics");
  add("$(debug-restart) Restart the server", "restart");
  add("$(output) Show the log", "showLog");
  add("$(pulse) Run the doctor", "doctor");
  add("$(report) Report an issue", "reportIssue");
  add("$(mortar-board) Getting started", "gettingStarted");
  add("$(gear) Settings", "settings");
  return found;
}

/** Asks for how many minutes to snooze. */
export async function pickMinutes(): Promise<number | undefined> {
  const items = SNOOZES.map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  return (await window.showQuickPick(items, { title: "cg2ls: no completions for" }))?.minutes;
}
