/** Settings that were renamed, by their new names; the old names stay valid (cg2ls/renamed.py). */
export const OLD_NAMES: Readonly<Record<string, string>> = {
  repositoryMemory: "memory",
  repositoryMemoryDependencies: "memoryDependencies",
  maxMemoryMb: "memoryMb",
};

/**
 * Whether the user set a setting under its old name only; its new name then has only a default, which must not
 * be sent together with the user's value.
 *
 * @param isSet whether the user set a setting.
 */
export function isGivenByOldName(name: string, isSet: (name: string) => boolean): boolean {
  const old = OLD_NAMES[name];
  return old !== undefined && isSet(old) && !isSet(name);
}
