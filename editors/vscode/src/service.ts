/** Keeps one server running for this window, and reports its state. */

import { rm } from "node:fs/promises";
import {
  EventEmitter,
  type LogOutputChannel,
  ProgressLocation,
  type TextEditor,
  window,
  workspace,
} from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import type { Connection } from "./connection";
import type { SetupListener } from "./environment";
import { type Command, type Places, serverCommand } from "./launch";
import { keepsEnding, Problem, unexpected, untrusted } from "./problem";
import { Restarts } from "./restarts";
import { launchSettings, SCHEMES, serverOptions } from "./settings";
import { type State, stateFrom } from "./state";

export interface ServiceParts {
  readonly places: Places;
  readonly log: LogOutputChannel;
  readonly middleware: Middleware;
  /** Reports a problem to the user, once. */
  readonly tell: (problem: Problem) => void;
}

export class Service {
  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly restarts = new Restarts();
  private current: State = { kind: "idle" };
  private connection: Connection | undefined;
  private work: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private setup = new AbortController();
  private generation = 0;

  constructor(private readonly parts: ServiceParts) {}

  get state(): State {
    return this.current;
  }

  /** Starts the server unless it was started before, and reports problems. */
  start(): void {
    if (this.current.kind === "idle" || this.current.kind === "untrusted") {
      this.again(0);
    }
  }

  /** Restarts the server at the user's request. */
  restart(): void {
    this.restarts.forget();
    this.again(0);
  }

  async stop(): Promise<void> {
    this.cancel();
    this.generation++;
    await this.connection?.stop();
    this.connection = undefined;
  }

  /** The command that runs the server's other subcommands. */
  command(): Promise<Command> {
    return serverCommand(
      launchSettings(),
      this.parts.places,
      this.listener(() => undefined),
    );
  }

  /** Ends the server and removes its environment; the next start makes it again. */
  async reinstall(): Promise<void> {
    await this.stop();
    await rm(this.parts.places.storage, { recursive: true, force: true });
  }

  /** Sends the settings to the running server. */
  settingsChanged(): void {
    this.connection?.configure(serverOptions());
  }

  /** Notifies the server of the place of the user: its status is about that document, and it reads ahead there. */
  focus(editor: TextEditor | undefined): void {
    if (editor && SCHEMES.includes(editor.document.uri.scheme)) {
      this.connection?.focus(editor.document.uri, editor.selection.active);
    }
  }

  /** Ends the server and all work in progress. */
  private cancel(): void {
    clearTimeout(this.timer);
    this.setup.abort();
    this.setup = new AbortController();
    void this.connection?.stop();
  }

  private again(waitMs: number): void {
    this.cancel();
    const generation = ++this.generation;
    this.set({ kind: "starting" });
    this.timer = setTimeout(() => {
      this.work = this.work.then(() => this.run(generation));
    }, waitMs);
  }

  private async run(generation: number): Promise<void> {
    const over = () => generation !== this.generation;
    await this.connection?.stop();
    this.connection = undefined;
    if (over()) {
      return;
    }
    try {
      if (!workspace.isTrusted) {
        this.set({ kind: "untrusted" });
        this.parts.tell(untrusted());
        return;
      }
      const command = await this.setUp();
      const { Connection } = await import("./connection");
      if (over()) {
        return;
      }
      this.set({ kind: "starting" });
      const connection = new Connection({
        command,
        args: ["serve", "--stdio"],
        cwd: this.parts.places.storage,
        log: this.parts.log,
        middleware: this.parts.middleware,
        options: serverOptions,
        status: (said) => !over() && this.set(stateFrom(said)),
        message: (text) => !over() && this.parts.tell(new Problem("server", text, ["model", "log"])),
        ended: (how) => !over() && this.ended(how),
        failed: (problem) => !over() && this.stopped(problem),
      });
      this.connection = connection;
      await connection.start();
      if (!over()) {
        this.focus(window.activeTextEditor);
      }
    } catch (error) {
      if (!over()) {
        this.stopped(error);
      }
    }
  }

  private async setUp(): Promise<Command> {
    const { places } = this.parts;
    const settings = launchSettings();
    return window.withProgress({ location: ProgressLocation.Window, title: "cg2ls" }, (progress) =>
      serverCommand(
        settings,
        places,
        this.listener((step) => {
          this.set({ kind: "setting up", step });
          progress.report({ message: step });
        }),
        this.setup.signal,
      ),
    );
  }

  private listener(step: (what: string) => void): SetupListener {
    const { log } = this.parts;
    return {
      step: (what) => {
        log.info(what);
        step(what);
      },
      line: (text) => log.info(`[setup] ${text}`),
    };
  }

  private ended(how: string): void {
    this.parts.log.warn(`The server ended by itself (${how}).`);
    const wait = this.restarts.ended();
    if (wait === undefined) {
      this.stopped(keepsEnding(this.restarts.count));
    } else {
      this.again(wait);
    }
  }

  private stopped(error: unknown): void {
    const problem =
      error instanceof Problem ? error : unexpected(error instanceof Error ? error.message : String(error));
    this.parts.log.error(error instanceof Problem ? error.message : (error as Error));
    this.connection = undefined;
    this.set({ kind: "stopped", problem });
    this.parts.tell(problem);
  }

  private set(state: State): void {
    this.current = state;
    this.changed.fire();
  }
}
