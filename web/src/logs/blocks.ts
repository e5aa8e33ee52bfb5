// Blocks: lines by number, kept a block at a time; the blocks that were used longest ago are dropped. Pure.

export const BLOCK = 250; // lines
export const KEPT_BLOCKS = 120; // 30,000 lines

export class Blocks<Line> {
  private readonly blocks = new Map<number, (Line | undefined)[]>(); // in order of use

  constructor(private readonly kept = KEPT_BLOCKS) {}

  /** Lines count from 1. */
  put(number: number, line: Line): void {
    const at = Math.floor((number - 1) / BLOCK);
    let block = this.blocks.get(at);
    if (block === undefined) {
      block = [];
      this.blocks.set(at, block);
      if (this.blocks.size > this.kept) this.blocks.delete(this.blocks.keys().next().value!);
    }
    block[(number - 1) % BLOCK] = line;
  }

  get(number: number): Line | undefined {
    return this.blocks.get(Math.floor((number - 1) / BLOCK))?.[(number - 1) % BLOCK];
  }

  /** Marks blocks as used, and tells which of those that hold lines `from` to `to` (both included) lack one of them. */
  use(from: number, to: number): number[] {
    const lacking: number[] = [];
    for (let at = Math.floor((from - 1) / BLOCK); at <= Math.floor((to - 1) / BLOCK); at++) {
      const block = this.blocks.get(at);
      if (block !== undefined) {
        this.blocks.delete(at);
        this.blocks.set(at, block);
      }
      const first = Math.max(0, from - 1 - at * BLOCK);
      const last = Math.min(BLOCK - 1, to - 1 - at * BLOCK);
      for (let one = first; one <= last; one++) {
        if (block?.[one] === undefined) {
          lacking.push(at);
          break;
        }
      }
    }
    return lacking;
  }

  get size(): number {
    return this.blocks.size;
  }
}
