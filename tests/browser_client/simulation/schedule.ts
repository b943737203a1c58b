/** Virtual time: what is to happen when, in a binary heap; of one time, in the order asked for. */
interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
}

export class Schedule {
  nowMs = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  after(delayMs: number, happen: () => void): void {
    const heap = this.#heap;
    const due = { atMs: this.nowMs + delayMs, order: this.#order++, happen };
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Due;
      if (!isBefore(due, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = due;
  }

  /** Let everything happen that is due up to that time. */
  runUntil(endMs: number): void {
    for (let due = this.#heap[0]; due && due.atMs <= endMs; due = this.#heap[0]) {
      this.#removeFirst();
      this.nowMs = due.atMs;
      due.happen();
    }
    this.nowMs = endMs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const moved = heap.pop() as Due;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Due, heap[below] as Due)) below++;
      if (!isBefore(heap[below] as Due, moved)) break;
      heap[index] = heap[below] as Due;
      index = below;
    }
    heap[index] = moved;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
