/** Draws media/icon.png, 256 by 256 pixels, from media/icon.svg with the Chromium of the tests. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const media = join(dirname(fileURLToPath(import.meta.url)), "..", "media");
const svg = readFileSync(join(media, "icon.svg"), "utf8");
const executablePath = process.env.CG2LS_CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({
  executablePath,
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const page = await browser.newPage({ viewport: { width: 256, height: 256 } });
await page.setContent(`<body style="margin:0;background:transparent">${svg}</body>`);
await page.screenshot({ path: join(media, "icon.png"), omitBackground: true });
await browser.close();
