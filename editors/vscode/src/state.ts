/** The server's state, as shown to the user. */

import type { Problem } from "./problem";

export type State =
  | { readonly kind: "idle" }
  | { readonly kind: "untrusted" }
  | { readonly kind: "setting up"; readonly step: string }
  | { readonly kind: "starting" }
  | { readonly kind: "loading"; readonly message: string }
  | { readonly kind: "ready"; readonly model: string; readonly message: string }
  | { readonly kind: "off here"; readonly message: string }
  | { readonly kind: "no model"; readonly message: string }
  | { readonly kind: "stopped"; readonly problem: Problem };

/** Reason why completions are off in the active document although the server is ready. */
export type Off = "paused" | "snoozed" | "workspace" | "file" | "language" | undefined;

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
      return off(view) ?? plain("$(dash) cg2ls", "cg2ls starts when you open a file it may complete in.");
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
      return plain("$(sync~spin) cg2ls", state.message);
    case "off here":
      return off(view) ?? plain("$(circle-slash) cg2ls", state.message);
    case "ready":
      return off(view) ?? answering(view, state.model, state.message);
  }
}

function off(view: View): StatusText | undefined {
  switch (view.off) {
    case "paused":
      return plain("$(debug-pause) cg2ls", "Completions are paused in this window.");
    case "snoozed":
      return plain("$(bell-slash) cg2ls", "Completions are snoozed; the menu ends that.");
    case "workspace":
      return plain("$(circle-slash) cg2ls", "Completions are off in this workspace.");
    case "file":
      return plain("$(circle-slash) cg2ls", "Completions are off in this file.");
    case "language":
      return plain("$(circle-slash) cg2ls", `Completions are off for ${view.language}.`);
    case undefined:
      return undefined;
  }
}

function answering(view: View, model: string, message: string): StatusText {
  if (view.lastMs === undefined || view.medianMs === undefined) {
    return plain(`$(sparkle) ${model}`, message);
  }
  const median = `Median of the last answers: ${milliseconds(view.medianMs)}.`;
  return plain(`$(sparkle) ${model} ${milliseconds(view.lastMs)}`, `${message} ${median}`);
}

/** `cg2ls/status`, as the server sends it. */
export interface ServerStatus {
  readonly state: "loading" | "ready" | "busy" | "idle" | "off" | "failed";
  readonly message: string;
  readonly model: string;
}

/** Converts the server's status to a state. */
export function stateFrom(said: ServerStatus): State {
  const { message, model } = said;
  switch (said.state) {
    case "loading":
      return { kind: "loading", message };
    case "ready":
    case "busy":
    case "idle":
      return { kind: "ready", model, message: said.state === "busy" ? `${model} is ready.` : message };
    case "off":
      return { kind: "off here", message };
    case "failed":
      return { kind: "no model", message };
  }
}

/** Rounds milliseconds for display. */
export function milliseconds(value: number): string {
  return `${Math.round(value)} ms`;
}

function plain(text: string, tooltip: string): StatusText {
  return { text, tooltip, severity: "plain" };
}

function warning(text: string, tooltip: string): StatusText {
  return { text, tooltip, severity: "warning" };
}
