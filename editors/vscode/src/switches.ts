/** Where completions are off: paused, in single files, by setting. */

import { EventEmitter, type Memento, type TextDocument } from "vscode";
import { isEnabled } from "./settings";
import type { Off } from "./state";

const FILES = "filesThatAreOff";

export class Switches {
  private readonly changed = new EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private pausedHere = false;
  private files: Set<string>;

  constructor(private readonly workspaceState: Memento) {
    this.files = new Set(workspaceState.get<string[]>(FILES, []));
  }

  get paused(): boolean {
    return this.pausedHere;
  }

  set paused(paused: boolean) {
    this.pausedHere = paused;
    this.changed.fire();
  }

  isFileOff(document: TextDocument): boolean {
    return this.files.has(document.uri.toString());
  }

  async setFileOff(document: TextDocument, off: boolean): Promise<void> {
    this.files[off ? "add" : "delete"](document.uri.toString());
    this.changed.fire();
    await this.workspaceState.update(FILES, [...this.files]);
  }

  /** Reason why a document is not completed; undefined if it is. */
  off(document: TextDocument | undefined): Off {
    if (this.pausedHere) {
      return "paused";
    }
    if (document && this.isFileOff(document)) {
      return "file";
    }
    return document && !isEnabled(document) ? "language" : undefined;
  }
}
