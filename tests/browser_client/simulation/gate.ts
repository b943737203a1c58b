/** Keeps what arrives at a page, or at a whole machine, while that is not run. */
export class Gate {
  #kept: (() => void)[] | null = null;

  get isClosed(): boolean {
    return this.#kept !== null;
  }

  arrive(happen: () => void): void {
    if (this.#kept) this.#kept.push(happen);
    else happen();
  }

  close(): void {
    this.#kept ??= [];
  }

  /** Let in what has been kept, in its order. */
  open(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    for (const happen of kept) happen();
  }
}
