/** Passes VS Code's requests for ghost text to the server. */

import type { Middleware } from "vscode-languageclient/node";
import type { AskAgain } from "./askAgain";
import type { Latency } from "./latency";
import type { Switches } from "./switches";

/**
 * Requests completions only where they are on, and records the latency.
 *
 * @param answered called after each answer that has something to show.
 */
export function ghostText(
  switches: Switches,
  latency: Latency,
  again: AskAgain,
  answered: () => void,
): Pick<Required<Middleware>, "provideInlineCompletionItems"> {
  return {
    provideInlineCompletionItems: async (document, position, context, token, next) => {
      if (switches.off(document)) {
        return [];
      }
      const asked = performance.now();
      const { version } = document;
      const found = await next(document, position, again.contextOf(context), token);
      if (found && !token.isCancellationRequested) {
        again.answered(document, version);
      }
      const items = Array.isArray(found) ? found : (found?.items ?? []);
      if (items.length > 0 && !token.isCancellationRequested) {
        latency.add(performance.now() - asked);
        answered();
      }
      return found;
    },
  };
}
