/** What the server is doing, as people are shown it. */

import type { Problem } from "./problem";

export type State =
  | { readonly kind: "idle" }
  | { readonly kind: "untrusted" }
  | { readonly kind: "setting up"; readonly step: string }
  | { readonly kind: "starting" }
  | { readonly kind: "loading"; readonly model: string }
  | { readonly kind: "ready"; readonly model: string }
  | { readonly kind: "no model"; readonly message: string }
  | { readonly kind: "stopped"; readonly problem: Problem };

/** Why completions are off in the active document although the server could answer. */
export type Off = "paused" | "file" | "language" | undefined;

export interface View {
  readonly state: State;
  readonly off: Off;
  readonly language: string | undefined;
  readonly lastMs: number | undefined;
  readonly medianMs: number | undefined;
}

export interface StatusText {
  readonly text: string;
  readonly tooltip: string;
  readonly severity: "plain" | "warning" | "error";
}

/** The status bar item's text, a sentence for its tooltip, and its colour. */
export function statusText(view: View): StatusText {
  const { state } = view;
  switch (state.kind) {
    case "idle":
      return plain("$(dash) cg2ls", "cg2ls starts when you open a file it may complete in.");
    case "untrusted":
      return warning("$(shield) cg2ls", "cg2ls is off until you trust this folder.");
    case "setting up":
      return plain("$(sync~spin) cg2ls", `Setting up, once: ${state.step}.`);
    case "starting":
      return plain("$(sync~spin) cg2ls", "The server is starting.");
    case "no model":
      return warning("$(warning) cg2ls", state.message);
    case "stopped":
      return { text: "$(error) cg2ls", tooltip: state.problem.message, severity: "error" };
    case "loading":
      return plain("$(sync~spin) cg2ls", `Loading the model ${state.model}.`);
    case "ready":
      return answering(view, state.model);
  }
}

function answering(view: View, model: string): StatusText {
  switch (view.off) {
    case "paused":
      return plain("$(debug-pause) cg2ls", "Completions are paused in this window.");
    case "file":
      return plain("$(circle-slash) cg2ls", "Completions are off in this file.");
    case "language":
      return plain("$(circle-slash) cg2ls", `Completions are off for ${view.language}.`);
    case undefined: {
      const last = view.lastMs === undefined ? "" : ` ${milliseconds(view.lastMs)}`;
      const median =
        view.medianMs === undefined ? "" : ` Median of the last answers: ${milliseconds(view.medianMs)}.`;
      return plain(`$(sparkle) ${model}${last}`, `${model} is ready.${median}`);
    }
  }
}

/** Rounded as people read them. */
export function milliseconds(value: number): string {
  return `${Math.round(value)} ms`;
}

function plain(text: string, tooltip: string): StatusText {
  return { text, tooltip, severity: "plain" };
}

function warning(text: string, tooltip: string): StatusText {
  return { text, tooltip, severity: "warning" };
}
