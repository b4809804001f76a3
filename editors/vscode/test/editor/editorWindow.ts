/** One window of VS Code, used through its keyboard and its screen. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import type { CodeServer } from "./codeServer";

const ARTIFACTS = process.env.CG2LS_ARTIFACTS ?? "artifacts";
/** Long, for a busy machine; every wait ends as soon as possible. */
const WAIT_MS = 300_000;
/** Until a click that may have been lost is made again. */
const RETRY_MS = 10_000;
const LOAD_MS = 600_000;
/** Ten times the duration of an answer. */
const SILENCE_MS = 800;

/** The extension's item in the status bar. */
const ITEM = '[id="cg2ls.cg2ls.cg2ls"]';

/** The browser all windows of a test file share. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CG2LS_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-dev-shm-usage",
    ],
  });
}

/** What is shown once, when the first server of a user is ready. */
export const GREETING = "cg2ls is ready: type, then Tab accepts.";

export class EditorWindow {
  private constructor(
    readonly page: Page,
    private readonly server: CodeServer,
  ) {}

  static async open(browser: Browser, server: CodeServer): Promise<EditorWindow> {
    const context = await browser.newContext({ viewport: { width: 1000, height: 640 } });
    const page = await context.newPage();
    await page.goto(server.url, { timeout: LOAD_MS });
    await page.waitForSelector(".monaco-workbench .statusbar-item", { timeout: LOAD_MS });
    await page.evaluate(recordStatus, ITEM);
    return new EditorWindow(page, server);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  /** Makes a file, opens it and puts the cursor at the `‸`. */
  async edit(name: string, marked: string): Promise<void> {
    const before = marked.slice(0, marked.indexOf("‸"));
    this.server.write(name, marked.replace("‸", ""));
    const lines = before.split(/\r\n|\n/);
    const column = (lines.at(-1) ?? "").length + 1;
    await this.quickOpen("Control+P", join(this.server.folder, name), name); // a whole path needs no search
    await this.page.waitForFunction(
      (title) => document.querySelector(".tab.active")?.textContent?.includes(title),
      name,
    );
    await this.quickOpen("Control+G", `:${lines.length}:${column}`, `line ${lines.length}`);
    const at = `Ln ${lines.length}, Col `;
    await this.until(
      async () => (await this.statusItems()).some((text) => text.startsWith(at)),
      `cursor at ${at}`,
    );
  }

  /** Opens a list, filters it, waits until its first row contains a text, and chooses that row. */
  private async quickOpen(keys: string, filter: string, expected: string): Promise<void> {
    await this.page.keyboard.press(keys);
    const box = this.page.locator(".quick-input-box input");
    await box.fill(filter, { timeout: WAIT_MS });
    const first = this.page.locator(".quick-input-list .monaco-list-row").first();
    await first.filter({ hasText: expected }).waitFor({ timeout: WAIT_MS });
    await this.page.keyboard.press("Enter");
    const taken = async () => (await box.inputValue().catch(() => "")) !== filter || !(await box.isVisible());
    await this.until(taken, `the list of ${filter} is closed`);
  }

  async focusEditor(): Promise<void> {
    await this.page
      .locator(
        ".editor-group-container.active .monaco-editor textarea, .editor-group-container.active .monaco-editor .native-edit-context",
      )
      .first()
      .focus();
  }

  /** Runs a command by its title in the palette. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press("F1");
    await this.page.locator(".quick-input-box input").fill(`>${title}`, { timeout: WAIT_MS });
    await this.pick(title);
  }

  /** Chooses an entry that contains a text, of the list with the given title: another list may just be closing. */
  async pick(text: string, title = ""): Promise<void> {
    if (title) {
      await this.page.locator(".quick-input-title", { hasText: title }).waitFor({ timeout: WAIT_MS });
    }
    const row = this.page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first();
    await row.waitFor({ timeout: WAIT_MS });
    await row.click();
  }

  async press(keys: string): Promise<void> {
    await this.page.keyboard.press(keys);
  }

  async type(text: string, delay = 60): Promise<void> {
    await this.page.keyboard.type(text, { delay });
  }

  /** The ghost text on the screen, "" for none. */
  ghost(): Promise<string> {
    return this.page.evaluate(() => {
      const plain = (element: Element) => (element.textContent ?? "").replaceAll("\u00a0", " ");
      const inline = [...document.querySelectorAll(".view-line .ghost-text-decoration")].map(plain).join("");
      const more = [...document.querySelectorAll(".suggest-preview-additional-widget .view-line")].map(plain);
      return [inline, ...more].join("\n").trimEnd();
    });
  }

  /** Waits for ghost text that fulfils a condition. */
  async ghostThat(is: (text: string) => boolean, what: string): Promise<string> {
    let seen = "";
    await this.until(
      async () => {
        seen = await this.ghost();
        return is(seen);
      },
      () => `${what}; it is ${JSON.stringify(seen)}`,
    );
    return seen;
  }

  anyGhost(): Promise<string> {
    return this.ghostThat((text) => text !== "", "ghost text");
  }

  async ghostIs(wanted: string): Promise<void> {
    await this.ghostThat((text) => text === wanted, `the ghost text ${wanted}`);
  }

  /** Waits until there is no ghost text, and for the duration of an answer that none appears again. */
  async staysWithoutGhost(): Promise<void> {
    await this.ghostThat((text) => text === "", "no ghost text");
    for (let waited = 0; waited < SILENCE_MS; waited += 50) {
      await sleep(50);
      assert.equal(await this.ghost(), "");
    }
  }

  /** Saves, and returns the file's content. */
  async saved(name: string): Promise<string> {
    await this.press("Control+S");
    await this.page.waitForFunction(() => !document.querySelector(".tab.active.dirty"), undefined, {
      timeout: WAIT_MS,
    });
    return this.server.read(name);
  }

  statusItems(): Promise<string[]> {
    return this.page.$$eval(".statusbar-item", (items) =>
      items.map((item) => (item.textContent ?? "").trim()),
    );
  }

  /** The extension's status bar item: its text and its label for screen readers. */
  status(): Promise<string> {
    return this.page.$$eval(ITEM, (items) =>
      items.map((item) => item.getAttribute("aria-label") ?? item.textContent ?? "").join(" "),
    );
  }

  /** Waits until the server can answer. */
  async ready(withinMs = WAIT_MS): Promise<void> {
    await this.statusThat((text) => text.includes("is ready"), "that it is ready", withinMs);
  }

  /** Runs an action, and waits until the status bar item has shown the given texts in this order since. */
  async statusesAfter(work: () => void | Promise<void>, wanted: readonly string[]): Promise<void> {
    const past = (await this.statuses()).length;
    await work();
    let seen: string[] = [];
    const said = async () => {
      seen = (await this.statuses()).slice(past);
      let at = 0;
      for (const text of seen) {
        at += text.includes(wanted[at] ?? "") ? 1 : 0;
      }
      return at >= wanted.length;
    };
    await this.until(said, () => `${wanted.join(", then ")}; it was ${seen.join(", then ")}`);
  }

  private statuses(): Promise<string[]> {
    return this.page.evaluate(() => [...(globalThis as unknown as { statuses: string[] }).statuses]);
  }

  async statusThat(is: (text: string) => boolean, what: string, withinMs = WAIT_MS): Promise<string> {
    let seen = "";
    await this.until(
      async () => {
        seen = await this.status();
        return is(seen);
      },
      () => `${what}; it is ${seen}`,
      withinMs,
    );
    return seen;
  }

  /** All messages of the extension in the notification centre, without progress notifications and the greeting. */
  async messages(): Promise<string[]> {
    return (await this.messagesAndGreeting()).filter((text) => text !== GREETING);
  }

  /** All messages of the extension in the notification centre, without progress notifications. */
  async messagesAndGreeting(): Promise<string[]> {
    // A click on the command's row may fall on a list that is just closing, and is lost.
    const shown = async () => {
      await this.command("Notifications: Show Notifications");
      const center = this.page.waitForSelector(".notifications-center.visible", { timeout: RETRY_MS });
      return center.then(
        () => true,
        () => false,
      );
    };
    await this.until(shown, "the notifications are shown");
    const found = await this.page.$$eval(".notifications-center .monaco-list-row", (rows) =>
      rows
        .filter((row) => !row.querySelector(".monaco-progress-container.active"))
        .map((row) => row.querySelector(".notification-list-item-message")?.textContent ?? ""),
    );
    await this.press("Escape");
    await this.focusEditor().catch(() => undefined);
    return found.filter((text) => text.includes("cg2ls"));
  }

  /** Waits for a message on the screen. */
  async messageThat(is: RegExp, withinMs = WAIT_MS): Promise<string> {
    let seen: string[] = [];
    await this.until(
      async () => {
        seen = await this.page.$$eval(".notification-list-item-message", (items) =>
          items.map((item) => item.textContent ?? ""),
        );
        return seen.some((text) => is.test(text));
      },
      () => `a message like ${is}; there are ${JSON.stringify(seen)}`,
      withinMs,
    );
    return seen.find((text) => is.test(text)) ?? "";
  }

  /** Keeps a picture of the window. */
  async screenshot(name: string): Promise<string> {
    mkdirSync(ARTIFACTS, { recursive: true });
    const path = join(ARTIFACTS, `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  async until(is: () => Promise<boolean>, what: string | (() => string), withinMs = WAIT_MS): Promise<void> {
    const end = Date.now() + withinMs;
    while (!(await is())) {
      if (Date.now() > end) {
        await this.screenshot(`failed-${Date.now()}`);
        throw new Error(`not within ${withinMs} ms: ${typeof what === "string" ? what : what()}`);
      }
      await sleep(25);
    }
  }
}

/** Records, inside the page, each text of the extension's status bar item, so that short ones are not missed. */
function recordStatus(item: string): void {
  const statuses: string[] = [];
  (globalThis as unknown as { statuses: string[] }).statuses = statuses;
  const look = () => {
    const now = document.querySelector(item)?.getAttribute("aria-label") ?? "";
    if (now !== (statuses.at(-1) ?? "")) {
      statuses.push(now);
    }
  };
  const bar = document.querySelector(".part.statusbar") ?? document.body;
  new MutationObserver(look).observe(bar, { subtree: true, childList: true, attributes: true });
  look();
}
