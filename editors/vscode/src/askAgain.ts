/** Requests again where the user typed while the server could not answer; VS Code itself requests only at a key. */

import {
  commands,
  type Disposable,
  type InlineCompletionContext,
  InlineCompletionTriggerKind,
  Range,
  type TextDocument,
  type TextDocumentChangeEvent,
  type TextEditor,
  window,
  workspace,
} from "vscode";
import type { State } from "./state";

/** The last edit, while it has no answer. */
interface Typed {
  readonly document: TextDocument;
  readonly version: number;
  /** Offsets of the text that the change inserted. */
  readonly start: number;
  readonly end: number;
}

export class AskAgain implements Disposable {
  private readonly listeners: readonly Disposable[];
  private typed: Typed | undefined;
  /** The model that is ready. */
  private model: string | undefined;
  private asking = false;

  constructor() {
    this.listeners = [
      workspace.onDidChangeTextDocument((event) => this.changed(event)),
      window.onDidChangeWindowState(() => this.ask()),
    ];
  }

  dispose(): void {
    for (const listener of this.listeners) {
      listener.dispose();
    }
  }

  /** Requests again if the server has become ready or uses another model. */
  look(state: State): void {
    const model = state.kind === "ready" ? state.model : undefined;
    if (model !== this.model) {
      this.model = model;
      this.ask();
    }
  }

  /** A request's context for the server: a request made here is not one that the user invoked. */
  contextOf(context: InlineCompletionContext): InlineCompletionContext {
    const ours = this.asking;
    this.asking = false;
    return ours ? { ...context, triggerKind: InlineCompletionTriggerKind.Automatic } : context;
  }

  /** Notes that a document's version was answered, even with nothing to show. */
  answered(document: TextDocument, version: number): void {
    if (this.model !== undefined && this.typed?.document === document && this.typed.version === version) {
      this.typed = undefined;
    }
  }

  private changed({ document, contentChanges, reason }: TextDocumentChangeEvent): void {
    const [change, ...more] = contentChanges;
    if (!change || document !== window.activeTextEditor?.document) {
      return;
    }
    const start = change.rangeOffset;
    const byKey = more.length === 0 && reason === undefined; // neither a formatter nor undo or redo
    this.typed = byKey
      ? { document, version: document.version, start, end: start + change.text.length }
      : undefined;
  }

  private ask(): void {
    const editor = window.activeTextEditor;
    if (this.model !== undefined && window.state.focused && this.isAt(editor) && wantsGhostText(editor)) {
      this.asking = true;
      const done = () => {
        this.asking = false;
      };
      commands.executeCommand("editor.action.inlineSuggest.trigger").then(done, done);
    }
  }

  /** Whether the cursor of an editor is still where the user typed. */
  private isAt(editor: TextEditor | undefined): editor is TextEditor {
    const { typed } = this;
    if (!editor || typed?.document !== editor.document || typed.version !== editor.document.version) {
      return false;
    }
    const place = new Range(editor.document.positionAt(typed.start), editor.document.positionAt(typed.end));
    return (
      editor.selections.length === 1 && editor.selection.isEmpty && place.contains(editor.selection.active)
    );
  }
}

/** Whether VS Code shows ghost text while typing; the command that requests it would show it in any case. */
function wantsGhostText({ document }: TextEditor): boolean {
  return workspace.getConfiguration("editor", document).get("inlineSuggest.enabled", true);
}
