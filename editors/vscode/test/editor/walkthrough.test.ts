/** The walkthrough page, in a real VS Code. */

import { after } from "node:test";
import { ownEditors } from "./ownEditor";
import { Programs, serverPath } from "./programs";

const STEPS = [
  "Set up by itself",
  "Take all, a word or a line",
  "See what it is doing",
  "Choose a model",
] as const;

const programs = new Programs();
after(() => programs.remove());

ownEditors()(
  "the walkthrough shows its steps, and its buttons work",
  () => serverPath(programs.fake("walked")),
  async ({ window }) => {
    await window.command("Welcome: Open Walkthrough...");
    await window.pick("Completions with cg2ls");
    const page = window.page.locator(".gettingStartedContainer");
    const step = (title: string) => page.locator(".getting-started-step", { hasText: title });
    for (const title of STEPS) {
      await step(title).waitFor();
    }
    await step("See what it is doing").click();
    await window.screenshot("walkthrough");
    await page.getByRole("button", { name: "Open the menu" }).click();
    await window.pick("Pause completions", "cg2ls");
    await window.statusThat((text) => text.includes("paused"), "that it is paused");
  },
);
