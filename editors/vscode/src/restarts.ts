/** Limits how often a server that ends by itself is started again. */

const MOST = 3;
const WITHIN_MS = 180_000;

/** Allows three restarts in three minutes. */
export class Restarts {
  private ends: number[] = [];

  constructor(private readonly now: () => number = Date.now) {}

  /**
   * Notes that the server ended.
   *
   * @returns milliseconds to wait before the next start; undefined for no further start.
   */
  ended(): number | undefined {
    const now = this.now();
    this.ends = [...this.ends.filter((at) => now - at < WITHIN_MS), now];
    return this.ends.length > MOST ? undefined : 250 * 2 ** (this.ends.length - 1);
  }

  /** Number of recent ends. */
  get count(): number {
    return this.ends.length;
  }

  forget(): void {
    this.ends = [];
  }
}
