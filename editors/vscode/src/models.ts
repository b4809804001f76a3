/** Choosing the model. */

import { ConfigurationTarget, type QuickPickItem, QuickPickItemKind, window, workspace } from "vscode";
import type { Command } from "./launch";
import { run } from "./process";
import { SECTION } from "./settings";

/** One row of `cg2ls models list --json`. */
interface Listed {
  readonly name: string;
  readonly folder: string;
  readonly problem: string;
  readonly shipped?: boolean;
  readonly precision?: string;
  readonly bytes?: number;
  readonly languages?: readonly string[];
}

interface Choice extends QuickPickItem {
  /** The value of the setting; undefined to ask for a folder. */
  readonly model?: string;
}

/** Shows the models of this machine and sets `cg2ls.model` to the chosen one. */
export async function chooseModel(command: Command): Promise<void> {
  const models = await listed(command);
  const current = workspace.getConfiguration(SECTION).get("model", "");
  const picked = await window.showQuickPick(choices(models, current), {
    title: "cg2ls: the model that completes",
    matchOnDescription: true,
  });
  if (!picked) {
    return;
  }
  const model = picked.model ?? (await folder());
  if (model !== undefined) {
    const section = workspace.getConfiguration(SECTION);
    const inFolder = section.inspect("model")?.workspaceValue !== undefined;
    const target = inFolder ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
    await section.update("model", model, target);
  }
}

async function listed(command: Command): Promise<Listed[]> {
  const [program, ...args] = command;
  const { stdout } = await run(program, [...args, "models", "list", "--json"], { timeoutMs: 60_000 });
  try {
    return JSON.parse(stdout) as Listed[];
  } catch {
    return []; // it prints no JSON where there is no model
  }
}

function choices(models: readonly Listed[], current: string): Choice[] {
  const automatic: Choice = {
    label: "$(home) Default",
    description: current ? "" : "in use",
    detail: "The choice of `cg2ls models use`, else the model that cg2ls brings",
    model: "",
  };
  const added = models.filter((model) => !model.shipped);
  const named = added.map(
    (model): Choice => ({
      label: model.name,
      description: [model.name === current ? "in use" : "", size(model)].filter(Boolean).join(" · "),
      detail: model.problem || `Knows ${model.languages?.join(", ") || "any language"}`,
      model: model.name,
    }),
  );
  const other: Choice = { label: "$(folder-opened) A model folder…" };
  return [automatic, ...named, { label: "", kind: QuickPickItemKind.Separator }, other];
}

function size(model: Listed): string {
  const megabytes = model.bytes === undefined ? "" : `${(model.bytes / 1e6).toFixed(0)} MB`;
  return [model.precision, megabytes].filter(Boolean).join(", ");
}

async function folder(): Promise<string | undefined> {
  const picked = await window.showOpenDialog({
    canSelectFolders: true,
    canSelectFiles: false,
    title: "A folder with a model.json",
    openLabel: "Use This Model",
  });
  return picked?.[0]?.fsPath;
}
