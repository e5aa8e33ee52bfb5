// Numbered: the output of a job or a build: its lines have numbers, so any of a million is one request away.
import { follow } from '../live/follow';
import type { Frame } from '../live/sse';
import type { Anchor } from './anchor';
import { BLOCK, Blocks } from './blocks';
import { type LogLine, readFrames, type Source, Told } from './source';

const TAIL = 300; // what comes first: more than a screen, and soon there
const REST_MS = 40; // what only flies past is not asked for
export const MOST_HITS = 5000;

interface Part {
  number: number;
  offset: number; // rows before it
}
interface ToldLine extends Omit<LogLine, 'part'> {
  attempt: number;
}

export class NumberedSource extends Told implements Source {
  count = 0;
  shift = 0;
  isLoaded = false;
  isEnded = false;
  isDetached = false;
  refused: Error | null = null;
  private parts: Part[] = [];
  private blocks = new Blocks<LogLine>();
  private readonly asked = new Set<number>();
  private wanted: [number, number] | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopping = new AbortController();

  /** `base`: the address of the output; `attempt` alone, or where undefined the latest one and what follows. */
  constructor(
    private readonly base: string,
    private readonly attempt: number | undefined,
  ) {
    super();
  }

  start(): () => void {
    this.stopping = new AbortController();
    const query = new URLSearchParams({ follow: 'true', tail: String(TAIL) });
    if (this.attempt !== undefined) query.set('attempt', String(this.attempt));
    const stop = follow(`${this.base}?${query}`, {
      isLast: (frame) => frame.event === 'end',
      onConnection: (connection) => {
        this.isEnded = connection === 'ended';
        if (connection === 'live') this.isLoaded = true;
        this.tell();
      },
      onRefused: (problem) => {
        this.refused = problem;
        this.tell();
      },
      onFrames: (frames) => {
        for (const frame of frames) this.take(frame);
        this.tell();
      },
    });
    return () => {
      stop();
      clearTimeout(this.timer);
      this.stopping.abort();
      this.asked.clear();
      this.parts = [];
      this.blocks = new Blocks();
      this.count = 0;
      this.isLoaded = false;
    };
  }

  private take(frame: Frame): void {
    if (frame.event === 'attempt') this.partOf((JSON.parse(frame.data) as { attempt: number }).attempt);
    else if (frame.event === 'line') this.put(JSON.parse(frame.data) as ToldLine);
  }

  private partOf(attempt: number): Part {
    const known = this.parts.find((part) => part.number === attempt);
    if (known !== undefined) return known;
    const part = { number: attempt, offset: this.count };
    this.parts.push(part);
    return part;
  }

  /** Keeps a line; returns its row. */
  put({ attempt, ...line }: ToldLine): number {
    const number = this.partOf(attempt).offset + line.line;
    this.blocks.put(number, { ...line, part: attempt });
    if (number > this.count) this.count = number;
    return number - 1;
  }

  row(at: number): LogLine | undefined {
    return this.blocks.get(at + 1);
  }

  indexOf({ part, line }: Anchor): number {
    const found = part === null ? this.parts[0] : this.parts.find(({ number }) => number === part);
    if (found === undefined) return -1;
    const next = this.parts[this.parts.indexOf(found) + 1]?.offset ?? this.count;
    return line <= next - found.offset ? found.offset + line - 1 : -1;
  }

  setFollowing(): void {}

  want(from: number, to: number): void {
    this.wanted = [from, to];
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      if (this.wanted === null || this.wanted[1] <= this.wanted[0]) return;
      this.load(this.blocks.use(this.wanted[0] + 1, Math.min(this.wanted[1], this.count)));
    }, REST_MS);
  }

  /** Some rows that are not beside each other. */
  wantEach(rows: readonly number[]): void {
    for (const row of rows) this.load(this.blocks.use(row + 1, row + 1));
  }

  private load(lacking: readonly number[]): void {
    for (const block of lacking) {
      if (this.asked.has(block)) continue;
      this.asked.add(block);
      void this.read(block).then((isRead) => {
        if (isRead) this.asked.delete(block);
        else setTimeout(() => this.asked.delete(block), 1000);
        this.tell();
      });
    }
  }

  private async read(block: number): Promise<boolean> {
    const { signal } = this.stopping;
    const [first, last] = [block * BLOCK + 1, Math.min((block + 1) * BLOCK, this.count)];
    try {
      for (const [at, { number, offset }] of this.parts.entries()) {
        const end = Math.min(last, this.parts[at + 1]?.offset ?? this.count);
        const begin = Math.max(first, offset + 1);
        if (begin > end) continue;
        const query = `attempt=${number}&after=${begin - offset - 1}&limit=${end - begin + 1}`;
        const frames = await readFrames(`${this.base}?${query}`, signal);
        if (signal.aborted) return false;
        for (const frame of frames) this.take(frame);
        for (let row = begin; row <= end; row++) {
          // Not there (any more): as an empty line, or it would be asked for without end.
          if (this.blocks.get(row) === undefined) {
            const none = { line: row - offset, at: '', stream: 'notice', text: '', partial: false };
            this.blocks.put(row, { ...none, part: number });
          }
        }
      }
      return true;
    } catch {
      return false; // asked for again while it is in sight
    }
  }

  /** Finds lines by an expression, the newest; goes on while the output does. Returns how to stop. */
  search(expression: string, found: (rows: number[], isWhole: boolean) => void, refused: (error: Error) => void) {
    const query = new URLSearchParams({ follow: 'true', tail: String(MOST_HITS), grep: expression });
    const attempt = this.attempt ?? (this.isEnded ? this.parts.at(-1)?.number : undefined);
    if (attempt !== undefined) query.set('attempt', String(attempt));
    const rows = new Set<number>();
    return follow(`${this.base}?${query}`, {
      isLast: (frame) => frame.event === 'end',
      onConnection: (connection) => {
        if (connection === 'ended') found([...rows], rows.size < MOST_HITS);
      },
      onRefused: refused,
      onFrames: (frames) => {
        const before = rows.size;
        for (const frame of frames) if (frame.event === 'line') rows.add(this.put(JSON.parse(frame.data) as ToldLine));
        if (rows.size > before) found([...rows], rows.size < MOST_HITS);
      },
    });
  }
}
