/** Latency of recent answers. */

const KEPT = 200;

/** Milliseconds from request to answer, of the last answers that had something to show. */
export class Latency {
  private readonly times: number[] = [];

  add(milliseconds: number): void {
    this.times.push(milliseconds);
    if (this.times.length > KEPT) {
      this.times.shift();
    }
  }

  get last(): number | undefined {
    return this.times.at(-1);
  }

  get median(): number | undefined {
    return [...this.times].sort((a, b) => a - b)[this.times.length >> 1];
  }
}
