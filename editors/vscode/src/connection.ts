/** One running server and its language client; loaded when first needed. */

import { type ChildProcess, spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { PassThrough } from "node:stream";
import { type LogOutputChannel, type Position, Uri } from "vscode";
import {
  CloseAction,
  DidChangeConfigurationNotification,
  ErrorAction,
  type ErrorHandlerResult,
  LanguageClient,
  type LanguageClientOptions,
  type Middleware,
  ShowMessageNotification,
  type StaticFeature,
  type StreamInfo,
} from "vscode-languageclient/node";
import type { Command } from "./launch";
import { endedAtOnce, noAnswer, notOurProtocol, type Problem, serverPathWrong } from "./problem";
import { Lines, quietEnvironment } from "./process";
import { SCHEMES } from "./settings";
import type { ServerStatus } from "./state";

const START_SECONDS = 60;
const LAST_WORDS = 300;

/** The beginning of every message of a language server. */
const HEADER = "Content-";

export interface ConnectionOptions {
  readonly command: Command;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly log: LogOutputChannel;
  readonly middleware: Middleware;
  readonly options: (scope?: Uri) => Record<string, unknown>;
  /** The server's status changed. */
  readonly status: (said: ServerStatus) => void;
  /** The server has a message for the user. */
  readonly message: (text: string) => void;
  /** The server ended by itself after it had been ready. */
  readonly ended: (how: string) => void;
  /** The server cannot continue. */
  readonly failed: (problem: Problem) => void;
}

/** A language client that shows no messages: this extension reports each problem once. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  override warn(message: string, data?: unknown): void {
    super.warn(message, data, false);
  }

  override info(message: string, data?: unknown): void {
    super.info(message, data, false);
  }
}

/** Declares that this client shows the server's status. */
const wantsStatus: StaticFeature = {
  fillClientCapabilities(capabilities) {
    capabilities.experimental = { ...capabilities.experimental, cg2ls: { status: true } };
  },
  initialize: () => undefined,
  getState: () => ({ kind: "static" }),
  clear: () => undefined,
};

/** One run of a server, from its start to its end. */
export class Connection {
  private readonly client: QuietClient;
  private child: ChildProcess | undefined;
  private lastWords = "";
  private how = "";
  private phase: "starting" | "ready" | "over" = "starting";
  private problem: Problem | undefined;

  constructor(private readonly given: ConnectionOptions) {
    const documentSelector = SCHEMES.map((scheme) => ({ scheme }));
    const clientOptions: LanguageClientOptions = {
      documentSelector,
      outputChannel: given.log,
      traceOutputChannel: given.log,
      initializationOptions: () => given.options(),
      initializationFailedHandler: () => false,
      errorHandler: {
        error: (error) => this.garbled(error),
        closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
      },
      middleware: {
        ...given.middleware,
        handleWorkDoneProgress: (token, params, next) => {
          if (params.kind === "begin") {
            delete params.percentage; // with one, it would be a pop-up instead of a note in the status bar
          }
          next(token, params);
        },
        workspace: {
          configuration: ({ items }) =>
            items.map(({ scopeUri }) => given.options(scopeUri ? Uri.parse(scopeUri) : undefined)),
          didChangeConfiguration: async () => undefined, // `configure` does that
        },
      },
    };
    this.client = new QuietClient("cg2ls", "cg2ls", () => this.spawned(), clientOptions);
    this.client.registerFeature(wantsStatus);
    this.client.onNotification("cg2ls/status", given.status);
    this.client.onNotification(ShowMessageNotification.type, ({ message }) => given.message(message));
  }

  /**
   * Starts the server.
   *
   * @throws Problem if it does not answer `initialize`.
   */
  async start(): Promise<void> {
    const late = setTimeout(() => this.giveUp(noAnswer(START_SECONDS)), START_SECONDS * 1000);
    try {
      await this.client.start();
      this.phase = "ready";
    } catch (error) {
      this.phase = "over";
      await this.gone();
      throw this.problem ?? this.startProblem(error);
    } finally {
      clearTimeout(late);
    }
  }

  /** Ends the server. */
  async stop(): Promise<void> {
    this.phase = "over";
    try {
      await this.client.dispose();
    } catch {
      this.child?.kill();
    }
  }

  /** Sends settings that changed. */
  configure(options: Record<string, unknown>): void {
    if (this.phase === "ready") {
      const settings = { cg2ls: options };
      void this.client.sendNotification(DidChangeConfigurationNotification.type, { settings });
    }
  }

  /** Notifies the server of the document and the position that the user looks at. */
  focus(uri: Uri, cursor: Position): void {
    if (this.phase === "ready") {
      const converter = this.client.code2ProtocolConverter;
      const textDocument = { uri: converter.asUri(uri) };
      const position = converter.asPosition(cursor);
      void this.client.sendNotification("textDocument/didFocus", { textDocument, position });
    }
  }

  private spawned(): Promise<StreamInfo> {
    const [command, ...first] = this.given.command;
    const child = spawn(command, [...first, ...this.given.args], {
      cwd: this.given.cwd,
      env: quietEnvironment(),
      windowsHide: true,
    });
    this.child = child;
    giveWay(child);
    const words = new Lines((line) => {
      this.lastWords = line.trim() || this.lastWords;
      this.given.log.info(`[server] ${line}`);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => words.add(text));
    child.stdin.on("error", () => undefined); // the end of a server is detected by its exit
    child.once("exit", (status, signal) => this.exited(signal ?? `exit status ${status}`));
    const reader = new PassThrough();
    child.stdout.once("data", (chunk: Buffer) => this.checkFirst(chunk));
    child.stdout.pipe(reader);
    return new Promise((resolve, reject) => {
      child.once("spawn", () => resolve({ reader, writer: child.stdin }));
      child.once("error", (error: NodeJS.ErrnoException) => {
        this.problem = serverPathWrong(command, `cannot be started (${error.code ?? error.message})`);
        reject(error);
      });
    });
  }

  private exited(how: string): void {
    this.how = how;
    if (this.phase === "ready") {
      this.phase = "over";
      if (this.problem) {
        this.given.failed(this.problem);
      } else {
        this.given.ended(how);
      }
    }
  }

  /** Detects a program that is no server; the reader would wait for a header for ever. */
  private checkFirst(chunk: Buffer): void {
    const said = chunk.toString("latin1", 0, HEADER.length);
    if (!HEADER.startsWith(said)) {
      this.garbled(new Error(`they begin with ${JSON.stringify(chunk.toString("utf8", 0, 80))}`));
    }
  }

  private garbled(error: Error): ErrorHandlerResult {
    if (this.phase !== "over" && this.how === "" && !isClosedPipe(error)) {
      this.given.log.error(`The server's messages cannot be read: ${error.message}`);
      this.giveUp(notOurProtocol(this.given.command.join(" ")));
    }
    return { action: ErrorAction.Continue, handled: true };
  }

  private giveUp(problem: Problem): void {
    this.problem ??= problem;
    this.child?.kill("SIGKILL");
  }

  private startProblem(error: unknown): Problem {
    if (this.how) {
      return endedAtOnce(this.how, this.lastWords.slice(0, LAST_WORDS));
    }
    this.child?.kill("SIGKILL");
    this.given.log.error(error instanceof Error ? error : String(error));
    return notOurProtocol(this.given.command.join(" "));
  }

  /** Waits a moment for the exit status of a server whose streams have closed. */
  private async gone(): Promise<void> {
    const child = this.child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      await new Promise<void>((resolve) => {
        const enough = setTimeout(resolve, 1_000);
        child.once("exit", () => {
          clearTimeout(enough);
          resolve();
        });
      });
    }
  }
}

/** Lowers the server's priority, so that the editor draws what is typed first if both need the same core. */
function giveWay(child: ChildProcess): void {
  if (child.pid === undefined) {
    return; // it has not started
  }
  try {
    setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // it has ended, or its priority may not be changed
  }
}

function isClosedPipe(error: NodeJS.ErrnoException): boolean {
  return ["EPIPE", "ECONNRESET", "ERR_STREAM_DESTROYED"].includes(error.code ?? "");
}
