/** The extension's page outside of the repository: no link and no picture may lead nowhere. */

const PICTURE = /^!\[[^\]]*\]\((?!https:)[^)]+\)\n\n?/gm;
const LINK = /(?<!!)\[([^\]]*)\]\((?!https:|#)([^)]+)\)/g;

/**
 * @param {string} text the README
 * @param {string | undefined} address of the public repository; without one, pictures are left out and links become text
 */
export function pageFor(text, address) {
  if (!address) {
    return text.replace(PICTURE, "").replace(LINK, "$1");
  }
  const at = (path) => new URL(path, "https://x/editors/vscode/").pathname;
  const raw = address.replace("https://github.com/", "https://raw.githubusercontent.com/");
  return text
    .replace(/!\[([^\]]*)\]\((?!https:)([^)]+)\)/g, (_, title, path) => `![${title}](${raw}/main${at(path)})`)
    .replace(LINK, (_, title, path) => `[${title}](${address}/blob/main${at(path)})`);
}
