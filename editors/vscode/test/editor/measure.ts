/**
 * Measures the extension in a real VS Code and prints JSON, all times in milliseconds:
 * ghost_text (key press to ghost text on the screen), activation (as VS Code itself reports it), typing (key press
 * to the character on the screen, with and without the extension, in alternating rounds).
 */

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { CodeServer } from "./codeServer";
import { EditorWindow, openBrowser } from "./editorWindow";

const ROUNDS = Number(process.env.CG2LS_ROUNDS ?? 3);
const KEYS = Number(process.env.CG2LS_KEYS ?? 300);
const ACTIVATIONS = 9;
const SETUP_MS = 240_000;
const RHYTHM_MS = 60;

const BEFORE = `from dataclasses import dataclass


@dataclass
class Item:
    """A thing in stock."""

    name: str
    price: float
    quantity: int = 0

    def total(self) -> float:
        return self.price * self.quantity


class Inventory:
    """Items by name."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def add(self, name: str, price: float, quantity: int) -> None:
        self.items[name] = Item(name, price, quantity)

    def remove(self, name: str) -> None:
        del self.items[name]

‸
`;

/** The typed text, with its indentation: the editor's own indentation is off. */
const TYPED = `    def get(self, name: str) -> Item:
        return self.items[name]

    def total(self) -> float:
        return sum(item.total() for item in self.items.values())

    def names(self) -> list[str]:
        result = []
        for name, item in self.items.items():
            if item.quantity > 0:
                result.append(name)
        return sorted(result)
`;

const SETTINGS = {
  "editor.autoIndent": "none",
  "editor.autoClosingBrackets": "never",
  "editor.autoClosingQuotes": "never",
  "editor.quickSuggestions": { other: "off" },
  "editor.occurrencesHighlight": "off",
};

interface Probe {
  ghost: number[];
  typed: number[];
}

/** Records, inside the page, when a key goes down and when its result is on the screen. */
function installProbe(): void {
  const probe: Probe = { ghost: [], typed: [] };
  (globalThis as unknown as { probe: Probe }).probe = probe;
  let down = 0;
  let character = false;
  let ghost = false;
  const shown = () => document.querySelector(".view-line .ghost-text-decoration") !== null;
  const onScreen = (note: (at: number) => void) => requestAnimationFrame(() => note(performance.now()));
  addEventListener(
    "keydown",
    (event) => {
      down = performance.now();
      character = event.key.length === 1;
      ghost = character && !shown();
    },
    true,
  );
  new MutationObserver((changes) => {
    const key = down;
    if (character && changes.some(({ target }) => inLines(target))) {
      character = false;
      onScreen((at) => probe.typed.push(at - key));
    }
    if (ghost && shown()) {
      ghost = false;
      onScreen((at) => probe.ghost.push(at - key));
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  const inLines = (node: Node) =>
    (node instanceof Element ? node : node.parentElement)?.closest(".view-lines") !== null;
}

async function collected(window: EditorWindow): Promise<Probe> {
  return window.page.evaluate(() => {
    const { probe } = globalThis as unknown as { probe: Probe };
    const found = { ghost: [...probe.ghost], typed: [...probe.typed] };
    probe.ghost.length = probe.typed.length = 0;
    return found;
  });
}

/** p50, p95 and their count. */
function summary(times: readonly number[]) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
  return { p50: at(0.5), p95: at(0.95), count: sorted.length };
}

const round = (value = Number.NaN) => Math.round(value * 10) / 10;

async function open(browser: Browser, server: CodeServer): Promise<EditorWindow> {
  const window = await EditorWindow.open(browser, server);
  await window.page.evaluate(installProbe);
  return window;
}

/** Types key by key, each from a screen without ghost text, and waits for the answer: every one, however unsure. */
async function ghostText(server: CodeServer, window: EditorWindow) {
  server.settings({ "cg2ls.minConfidence": 0 });
  await window.edit("ghost.py", BEFORE);
  await collected(window);
  let keys = 0;
  for (const key of TYPED) {
    await window.press(key === "\n" ? "Enter" : key);
    keys += key === "\n" ? 0 : 1;
    for (let waited = 0; waited < 500 && !(await window.ghost()); waited += 25) {
      await sleep(25);
    }
    await sleep(RHYTHM_MS);
    if (await window.ghost()) {
      await window.press("Escape");
    }
  }
  server.settings({});
  return { ...summary((await collected(window)).ghost), keys };
}

async function activation(browser: Browser, server: CodeServer) {
  const times: number[] = [];
  for (let at = 0; at < ACTIVATIONS; at++) {
    const window = await EditorWindow.open(browser, server);
    await window.edit(`activation${at}.py`, "import os‸\n");
    await window.statusThat((text) => text.includes("is ready"), "that it is ready", SETUP_MS);
    await window.command("Developer: Show Running Extensions");
    const row = window.page.locator(".runtime-extensions-editor .monaco-list-row", { hasText: "cg2ls" });
    const text = (await row.first().textContent()) ?? "";
    times.push(Number(/Activation: (\d+)ms/.exec(text)?.[1]));
    await window.close();
  }
  return { max: Math.max(...times), each: times };
}

async function typing(browser: Browser, server: CodeServer, bare: CodeServer) {
  const windows = { with: await open(browser, server), without: await open(browser, bare) };
  const all: Record<"with" | "without", number[]> = { with: [], without: [] };
  const rounds = [];
  const text = TYPED.repeat(Math.ceil(KEYS / TYPED.length))
    .replaceAll("\n", " ")
    .slice(0, KEYS);
  for (let at = 0; at < ROUNDS; at++) {
    const times: Record<string, ReturnType<typeof summary>> = {};
    for (const side of at % 2 ? (["without", "with"] as const) : (["with", "without"] as const)) {
      const window = windows[side];
      await window.edit(`typing${at}.py`, BEFORE);
      await collected(window);
      await window.type(text, RHYTHM_MS);
      await sleep(500);
      const { typed } = await collected(window);
      times[side] = summary(typed);
      all[side].push(...typed);
    }
    rounds.push(times);
  }
  const sides = { with: summary(all.with), without: summary(all.without) };
  return { ...sides, p95_difference: round(sides.with.p95 - sides.without.p95), rounds };
}

/** Measures everything, or what the arguments name. */
async function main(): Promise<void> {
  const names = process.argv.slice(2);
  const wanted = (name: string) => names.length === 0 || names.includes(name);
  const browser = await openBrowser();
  const server = await CodeServer.start({ settings: SETTINGS });
  const bare = await CodeServer.start({ settings: SETTINGS, withExtension: false });
  try {
    const window = await open(browser, server);
    await window.edit("first.py", "import os‸\n");
    await window.statusThat((text) => text.includes("is ready"), "that it is ready", SETUP_MS);
    const measured: Record<string, unknown> = {};
    if (wanted("ghost_text")) {
      measured.ghost_text = await ghostText(server, window);
    }
    await window.close();
    if (wanted("activation")) {
      measured.activation = await activation(browser, server);
    }
    if (wanted("typing")) {
      measured.typing = await typing(browser, server, bare);
    }
    writeFileSync(process.stdout.fd, `${JSON.stringify(measured, null, 2)}\n`);
  } finally {
    await browser.close();
    await Promise.all([server.stop(), bare.stop()]);
  }
}

void main();
