/** The user's settings, as this extension and its server need them. */

import { homedir } from "node:os";
import { join } from "node:path";
import {
  type ConfigurationScope,
  type TextDocument,
  type Uri,
  type WorkspaceConfiguration,
  workspace,
} from "vscode";
import type { Runtime } from "./environment";
import { isGivenByOldName } from "./renamed";

export const SECTION = "cg2ls";

/** Schemes of documents that are sent to the server. */
export const SCHEMES = ["file", "untitled", "vscode-notebook-cell", "vscode-vfs"];

/** Settings for starting the server; the rest are the server's own options. */
export interface LaunchSettings {
  readonly serverPath: string;
  readonly pythonPath: string;
  readonly runtime: Runtime;
}

const LAUNCH = ["server", "python", "runtime", "trace"];

export function launchSettings(): LaunchSettings {
  const section = workspace.getConfiguration(SECTION);
  return {
    serverPath: expanded(section.get("server.path", "")),
    pythonPath: expanded(section.get("python.path", "")),
    runtime: section.get<Runtime>("runtime", "cpu"),
  };
}

/** Whether the settings turn completions on in a document. */
export function isEnabled(document: TextDocument): boolean {
  return workspace.getConfiguration(SECTION, document).get("enable", true);
}

/**
 * The server's options for a folder, with those of single languages under `languages`.
 *
 * VS Code keeps settings of one language in a separate block such as `[python]`; the server reads them by name.
 */
export function serverOptions(scope?: Uri): Record<string, unknown> {
  const section = workspace.getConfiguration(SECTION, scope);
  const values: Record<string, unknown> = {};
  const languages: Record<string, Record<string, unknown>> = {
    ...section.get<Record<string, Record<string, unknown>>>("languages"),
  };
  for (const name of Object.keys(section)) {
    if (LAUNCH.includes(name) || typeof section[name] === "function") {
      continue;
    }
    if (!isGivenByOldName(name, (each) => isSet(section.inspect(each)))) {
      values[name] = section.get(name);
    }
    for (const language of section.inspect(name)?.languageIds ?? []) {
      const own = inLanguage(language, scope).get(name);
      languages[language] = { ...languages[language], [name]: own };
    }
  }
  return { ...values, languages };
}

function isSet(found: ReturnType<WorkspaceConfiguration["inspect"]>): boolean {
  const values = [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue];
  return values.some((value) => value !== undefined && value !== null);
}

function inLanguage(languageId: string, uri?: Uri) {
  const scope: ConfigurationScope = uri ? { languageId, uri } : { languageId };
  return workspace.getConfiguration(SECTION, scope);
}

function expanded(path: string): string {
  const trimmed = path.trim();
  return trimmed.startsWith("~") ? join(homedir(), trimmed.slice(1)) : trimmed;
}
