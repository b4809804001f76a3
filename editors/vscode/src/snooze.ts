/** A pause that ends by itself. */

/** Minutes that the menu offers. */
export const SNOOZES = [5, 15, 60];

const MINUTE_MS = 60_000;

export class Snooze {
  private until = 0;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param changed called when a snooze begins or ends
   * @param now milliseconds since any moment
   */
  constructor(
    private readonly changed: () => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** Whole minutes, rounded up, until it ends; 0 if there is none. */
  get minutesLeft(): number {
    return Math.max(0, Math.ceil((this.until - this.now()) / MINUTE_MS));
  }

  /** Begins; an earlier one is replaced. */
  begin(minutes: number): void {
    clearTimeout(this.timer);
    this.until = this.now() + minutes * MINUTE_MS;
    this.timer = setTimeout(() => this.end(), minutes * MINUTE_MS);
    this.timer.unref?.();
    this.changed();
  }

  /** Ends it early. */
  end(): void {
    clearTimeout(this.timer);
    this.until = 0;
    this.changed();
  }
}
