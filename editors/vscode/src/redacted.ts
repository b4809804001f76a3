/** Leaving out what names the user. */

import { homedir, userInfo } from "node:os";

/** A text in which the home folder is `~` and the user's name is `USER`. */
export function redacted(text: string, home: string = homedir(), user: string = userInfo().username): string {
  let found = text;
  for (const [name, instead] of [
    [home, "~"],
    [home.replaceAll("\\", "/"), "~"],
    [user, "USER"],
  ] as const) {
    if (name.length > 2) {
      found = found.split(name).join(instead);
    }
  }
  return found;
}
