/** The status bar item. */

import { type Disposable, StatusBarAlignment, type StatusBarItem, ThemeColor, window } from "vscode";
import { statusText, type View } from "./state";

/** Minimum milliseconds between two updates, so that typing is not delayed. */
const EVERY_MS = 250;

export class Status implements Disposable {
  private readonly item: StatusBarItem;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly view: () => View) {
    this.item = window.createStatusBarItem("cg2ls", StatusBarAlignment.Right, 100);
    this.item.name = "cg2ls";
    this.item.command = "cg2ls.menu";
    this.draw();
    this.item.show();
  }

  /** Schedules an update. */
  changed(): void {
    this.timer ??= setTimeout(() => this.draw(), EVERY_MS);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.item.dispose();
  }

  private draw(): void {
    this.timer = undefined;
    const { text, tooltip, severity } = statusText(this.view());
    this.item.text = text;
    this.item.tooltip = `cg2ls: ${tooltip}`;
    this.item.backgroundColor =
      severity === "plain" ? undefined : new ThemeColor(`statusBarItem.${severity}Background`);
  }
}
