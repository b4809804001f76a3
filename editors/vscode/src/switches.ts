/** Where completions are off: paused, snoozed, in single files, in this workspace, by setting. */

import { EventEmitter, type Memento, type TextDocument } from "vscode";
import { isEnabled } from "./settings";
import { Snooze } from "./snooze";
import type { Off } from "./state";

const FILES = "filesThatAreOff";
const WORKSPACE = "workspaceIsOff";

export class Switches {
  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private pausedHere = false;
  private readonly snoozing = new Snooze(() => this.changed.fire());
  private files: Set<string>;

  constructor(private readonly workspaceState: Memento) {
    this.files = new Set(workspaceState.get<string[]>(FILES, []));
  }

  get paused(): boolean {
    return this.pausedHere || this.minutesLeft > 0;
  }

  set paused(paused: boolean) {
    this.pausedHere = paused;
    this.wake();
  }

  /** Whole minutes, rounded up, until a snooze ends; 0 if there is none. */
  get minutesLeft(): number {
    return this.snoozing.minutesLeft;
  }

  /** Pauses for some minutes. */
  snooze(minutes: number): void {
    this.snoozing.begin(minutes);
  }

  /** Ends a snooze. */
  wake(): void {
    this.snoozing.end();
  }

  isFileOff(document: TextDocument): boolean {
    return this.files.has(document.uri.toString());
  }

  async setFileOff(document: TextDocument, off: boolean): Promise<void> {
    this.files[off ? "add" : "delete"](document.uri.toString());
    this.changed.fire();
    await this.workspaceState.update(FILES, [...this.files]);
  }

  get workspaceOff(): boolean {
    return this.workspaceState.get(WORKSPACE, false);
  }

  async setWorkspaceOff(off: boolean): Promise<void> {
    await this.workspaceState.update(WORKSPACE, off);
    this.changed.fire();
  }

  /** Reason why a document is not completed; undefined if it is. */
  off(document: TextDocument | undefined): Off {
    if (this.minutesLeft > 0) {
      return "snoozed";
    }
    if (this.pausedHere) {
      return "paused";
    }
    if (this.workspaceOff) {
      return "workspace";
    }
    if (document && this.isFileOff(document)) {
      return "file";
    }
    return document && !isEnabled(document) ? "language" : undefined;
  }
}
