/** The extension's entry point: wires its parts and starts the server when there is something to complete. */

import { join } from "node:path";
import {
  ConfigurationTarget,
  commands,
  type ExtensionContext,
  type TextDocument,
  window,
  workspace,
} from "vscode";
import { AskAgain } from "./askAgain";
import { ghostText } from "./ghostText";
import { Latency } from "./latency";
import { Messages } from "./messages";
import type { Remedy } from "./problem";
import type { Reports } from "./report";
import { Service } from "./service";
import { isEnabled, SCHEMES, SECTION } from "./settings";
import { Status } from "./status";
import { Switches } from "./switches";

/** Schemes of documents that are not code of the user. */
const PROSE = ["plaintext", "log", "markdown", "scminput", "search-result"];

let service: Service | undefined;

export function activate(context: ExtensionContext): void {
  const log = window.createOutputChannel("cg2ls", { log: true });
  const switches = new Switches(context.workspaceState);
  const latency = new Latency();
  const again = new AskAgain();
  const messages = new Messages((chosen) => void commands.executeCommand(REMEDIES[chosen]));
  const made = new Service({
    places: {
      wheels: join(context.extensionPath, "server"),
      storage: join(context.globalStorageUri.fsPath, "server"),
    },
    log,
    middleware: ghostText(switches, latency, again, () => status.changed()),
    tell: (problem) =>
      messages.show(problem.message, problem.remedies, problem.kind === "untrusted" ? "warning" : "error"),
  });
  service = made;
  const extension = String(context.extension.packageJSON.version);
  const status = new Status(() => {
    const document = window.activeTextEditor?.document;
    return {
      state: made.state,
      off: switches.off(document),
      language: document?.languageId,
      lastMs: latency.last,
      medianMs: latency.median,
    };
  });

  const startIfWanted = (document: TextDocument | undefined) => {
    if (document && mayComplete(document)) {
      made.start();
    }
  };
  const restart = () => {
    messages.forget();
    made.restart();
  };
  context.subscriptions.push(
    log,
    status,
    again,
    made.onDidChange(() => {
      status.changed();
      void greet(context, made.state.kind === "ready");
      again.look(made.state);
    }),
    switches.onDidChange(() => status.changed()),
    window.onDidChangeActiveTextEditor((editor) => {
      startIfWanted(editor?.document);
      made.focus(editor);
      status.changed();
    }),
    window.onDidChangeTextEditorSelection((event) => made.focus(event.textEditor)),
    workspace.onDidOpenTextDocument((document) => {
      if (document === window.activeTextEditor?.document) {
        startIfWanted(document); // its language was changed
      }
    }),
    workspace.onDidGrantWorkspaceTrust(restart),
    workspace.onDidChangeConfiguration((event) => {
      if (LAUNCH.some((name) => event.affectsConfiguration(`${SECTION}.${name}`))) {
        restart();
      } else if (event.affectsConfiguration(SECTION)) {
        made.settingsChanged();
        startIfWanted(window.activeTextEditor?.document);
        status.changed();
      }
    }),
    ...registerCommands(made, switches, restart, () => log.show(), lazyReports(context), extension),
  );
  startIfWanted(window.activeTextEditor?.document);
}

export async function deactivate(): Promise<void> {
  await service?.stop();
}

const GREETED = "greeted";
const READY_CONTEXT = "cg2ls.isReady";

/** Ticks the walkthrough's first step when the server is ready, and says once how to begin. */
async function greet(context: ExtensionContext, ready: boolean): Promise<void> {
  if (!ready) {
    return;
  }
  void commands.executeCommand("setContext", READY_CONTEXT, true);
  if (!context.globalState.get(GREETED, false)) {
    await context.globalState.update(GREETED, true);
    const more = "Getting Started";
    const chosen = await window.showInformationMessage("cg2ls is ready: type, then Tab accepts.", more);
    await (chosen === more && commands.executeCommand("cg2ls.gettingStarted"));
  }
}

const LAUNCH = ["server", "python", "runtime"];

const REMEDIES: Record<Remedy, string> = {
  settings: "cg2ls.settings",
  retry: "cg2ls.restart",
  log: "cg2ls.showLog",
  doctor: "cg2ls.doctor",
  reinstall: "cg2ls.reinstall",
  trust: "cg2ls.trust",
  model: "cg2ls.chooseModel",
};

function mayComplete(document: TextDocument): boolean {
  return SCHEMES.includes(document.uri.scheme) && !PROSE.includes(document.languageId) && isEnabled(document);
}

/** The read-only documents, made when one is first shown. */
function lazyReports(context: ExtensionContext): () => Promise<Reports> {
  let made: Promise<Reports> | undefined;
  return () => {
    made ??= import("./report").then(({ Reports, SCHEME }) => {
      const reports = new Reports();
      context.subscriptions.push(workspace.registerTextDocumentContentProvider(SCHEME, reports));
      return reports;
    });
    return made;
  };
}

function registerCommands(
  made: Service,
  switches: Switches,
  restart: () => void,
  showLog: () => void,
  reports: () => Promise<Reports>,
  extension: string,
) {
  const withDocument = (work: (document: TextDocument) => Promise<void>) => async () => {
    const document = window.activeTextEditor?.document;
    await (document && work(document));
  };
  const table: Record<string, () => unknown> = {
    menu: async () => {
      const { pickFromMenu } = await import("./menu");
      const command = await pickFromMenu(made.state, switches);
      await (command && commands.executeCommand(command));
    },
    togglePause: () => {
      switches.paused = !switches.paused;
    },
    toggleFile: withDocument((document) => switches.setFileOff(document, !switches.isFileOff(document))),
    toggleLanguage: withDocument(toggleLanguage),
    restart,
    reinstall: () => made.reinstall().then(restart),
    showLog,
    snooze: async () => {
      const minutes = await (await import("./menu")).pickMinutes();
      if (minutes) {
        switches.snooze(minutes);
      }
    },
    toggleWorkspace: () => switches.setWorkspaceOff(!switches.workspaceOff),
    doctor: async () => (await import("./report")).showDoctor(await reports(), await made.command()),
    statistics: async () => (await import("./report")).showStatistics(await reports(), await made.command()),
    reportIssue: async () =>
      (await import("./report")).reportIssue(await reports(), await made.command(), extension),
    gettingStarted: () =>
      commands.executeCommand("workbench.action.openWalkthrough", "cg2ls.cg2ls#start", false),
    chooseModel: async () => (await import("./models")).chooseModel(await made.command()),
    settings: () => commands.executeCommand("workbench.action.openSettings", "@ext:cg2ls.cg2ls"),
    trust: () => commands.executeCommand("workbench.trust.manage"),
  };
  return Object.entries(table).map(([name, run]) => commands.registerCommand(`cg2ls.${name}`, run));
}

async function toggleLanguage(document: TextDocument): Promise<void> {
  const section = workspace.getConfiguration(SECTION, { languageId: document.languageId });
  const inLanguage = true;
  await section.update("enable", !isEnabled(document), ConfigurationTarget.Global, inLanguage);
}
