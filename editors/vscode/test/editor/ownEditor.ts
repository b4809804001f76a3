/** Tests that each have a separate VS Code, so that none can disturb another. */

import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { CodeServer, type CodeServerOptions } from "./codeServer";
import { EditorWindow, openBrowser } from "./editorWindow";

/** For making the server's environment, which downloads packages. */
export const SETUP_MS = 900_000;
/** For one test on a slow, busy machine; every wait ends as soon as possible. */
const TEST_MS = 1_200_000;

export interface Own {
  readonly browser: Browser;
  readonly server: CodeServer;
  readonly window: EditorWindow;
}

/** Runs a test in a VS Code with these options, and a window of it. */
export type OwnTest = (
  name: string,
  options: () => CodeServerOptions,
  body: (own: Own) => Promise<void>,
  timeout?: number,
) => void;

/** `test` for a file whose tests share only the browser. */
export function ownEditors(): OwnTest {
  let browser: Browser;
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());
  return (name, options, body, timeout = TEST_MS) =>
    void test(name, { timeout }, async () => {
      const server = await CodeServer.start(options());
      try {
        const window = await EditorWindow.open(browser, server);
        await body({ browser, server, window });
        await window.close();
      } finally {
        await server.stop();
      }
    });
}

/** `ownEditors` for tests that share an installed extension, too, to install it once. */
export function installedOnce(): OwnTest {
  const ownTest = ownEditors();
  let installed: CodeServer;
  before(async () => {
    installed = await CodeServer.start();
  });
  after(() => installed?.stop());
  return (name, options, ...rest) =>
    ownTest(name, () => ({ extensions: installed.extensions, ...options() }), ...rest);
}
