/** Messages with buttons, each shown once until the user tries again. */

import { window } from "vscode";
import type { Mend } from "./problem";

const LABELS: Record<Mend, string> = {
  settings: "Open Settings",
  retry: "Try Again",
  log: "Show Log",
  doctor: "Run Doctor",
  reinstall: "Reinstall Server",
  trust: "Manage Trust",
  model: "Choose Model",
};

export class Messages {
  private readonly told = new Set<string>();

  constructor(private readonly mend: (chosen: Mend) => void) {}

  /** Shows a message unless it was shown before. */
  show(message: string, mends: readonly Mend[], severity: "error" | "warning" = "error"): void {
    if (this.told.has(message)) {
      return;
    }
    this.told.add(message);
    const shown = severity === "error" ? window.showErrorMessage : window.showWarningMessage;
    void shown(message, ...mends.map((mend) => LABELS[mend])).then((label) => {
      const chosen = mends.find((mend) => LABELS[mend] === label);
      if (chosen) {
        this.mend(chosen);
      }
    });
  }

  /** Lets every message be shown again. */
  forget(): void {
    this.told.clear();
  }
}
