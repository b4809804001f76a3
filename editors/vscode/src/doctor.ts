/** `cg2ls doctor` in an editor. */

import { ProgressLocation, window, workspace } from "vscode";
import type { Command } from "./launch";
import { run } from "./process";
import { SECTION } from "./settings";

/** Runs the doctor and shows its output. */
export async function showDoctor(command: Command): Promise<void> {
  const [program, ...args] = command;
  const model = workspace.getConfiguration(SECTION).get("model", "");
  const chosen = model ? ["--model", model] : [];
  const ended = await window.withProgress(
    { location: ProgressLocation.Notification, title: "cg2ls doctor" },
    () => run(program, [...args, "doctor", ...chosen], { timeoutMs: 120_000 }),
  );
  const said = [ended.stdout, ended.stderr, ended.failure].filter(Boolean).join("\n");
  const content = `${[program, ...args, "doctor", ...chosen].join(" ")}\n\n${said}`;
  const document = await workspace.openTextDocument({ content, language: "plaintext" });
  await window.showTextDocument(document, { preview: true });
}
