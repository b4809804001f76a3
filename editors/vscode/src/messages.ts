/** Messages with buttons, each shown once until the user tries again. */

import { window } from "vscode";
import type { Remedy } from "./problem";

const LABELS: Record<Remedy, string> = {
  settings: "Open Settings",
  retry: "Try Again",
  log: "Show Log",
  doctor: "Run Doctor",
  reinstall: "Reinstall Server",
  trust: "Manage Trust",
  model: "Choose Model",
};

export class Messages {
  private readonly reported = new Set<string>();

  constructor(private readonly remedy: (chosen: Remedy) => void) {}

  /** Shows a message unless it was shown before. */
  show(message: string, remedies: readonly Remedy[], severity: "error" | "warning" = "error"): void {
    if (this.reported.has(message)) {
      return;
    }
    this.reported.add(message);
    const shown = severity === "error" ? window.showErrorMessage : window.showWarningMessage;
    void shown(message, ...remedies.map((remedy) => LABELS[remedy])).then((label) => {
      const chosen = remedies.find((remedy) => LABELS[remedy] === label);
      if (chosen) {
        this.remedy(chosen);
      }
    });
  }

  /** Allows every message to be shown again. */
  forget(): void {
    this.reported.clear();
  }
}
