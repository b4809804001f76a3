/** Read-only documents with what a command printed: the doctor, statistics, and the facts for an issue. */

import {
  EventEmitter,
  env,
  ProgressLocation,
  type TextDocumentContentProvider,
  Uri,
  version,
  window,
  workspace,
} from "vscode";
import type { Command } from "./launch";
import { run } from "./process";
import { redacted } from "./redacted";
import { SECTION } from "./settings";

/** Scheme of these documents; VS Code opens them read-only, and never asks to save them. */
export const SCHEME = "cg2ls-report";

export class Reports implements TextDocumentContentProvider {
  private readonly changed = new EventEmitter<Uri>();
  readonly onDidChange = this.changed.event;
  private readonly texts = new Map<string, string>();

  provideTextDocumentContent(uri: Uri): string {
    return this.texts.get(uri.path) ?? "";
  }

  /** Shows a text under a title; a document of that title that is open changes its text. */
  async show(title: string, text: string): Promise<void> {
    const uri = Uri.from({ scheme: SCHEME, path: `cg2ls ${title}.txt` });
    this.texts.set(uri.path, text);
    this.changed.fire(uri);
    await window.showTextDocument(await workspace.openTextDocument(uri), { preview: true });
  }
}

/** Runs the doctor and shows what it says. */
export async function showDoctor(reports: Reports, command: Command): Promise<void> {
  const words = ["doctor", ...chosenModel()];
  await reports.show("Doctor", await printed("doctor", command, words));
}

/** Shows what was shown and accepted on this machine. */
export async function showStatistics(reports: Reports, command: Command): Promise<void> {
  await reports.show("Statistics", await printed("stats", command, ["stats"]));
}

/** Shows the facts for an issue, without names of folders and of the user, and copies them. */
export async function reportIssue(reports: Reports, command: Command, extension: string): Promise<void> {
  const doctor = await printed("doctor", command, ["doctor", ...chosenModel()]);
  const facts = [
    "Describe what you did, what you expected and what happened:",
    "",
    "",
    `extension ${extension}, VS Code ${version}, ${process.platform} ${process.arch}, ${env.uiKind === 1 ? "desktop" : "web"}${env.remoteName ? `, remote ${env.remoteName}` : ""}`,
    "",
    doctor,
  ];
  const text = redacted(facts.join("\n"));
  await env.clipboard.writeText(text);
  await reports.show("Issue", text);
  void window.showInformationMessage("The facts for an issue were copied. Nothing was sent.");
}

function chosenModel(): string[] {
  const model = workspace.getConfiguration(SECTION).get("model", "");
  return model ? ["--model", model] : [];
}

async function printed(title: string, command: Command, words: readonly string[]): Promise<string> {
  const [program, ...args] = command;
  const ended = await window.withProgress(
    { location: ProgressLocation.Notification, title: `cg2ls ${title}` },
    () => run(program, [...args, ...words], { timeoutMs: 120_000 }),
  );
  const said = [ended.stdout, ended.stderr, ended.failure].filter(Boolean).join("\n");
  return `${[program, ...args, ...words].join(" ")}\n\n${said}`;
}
