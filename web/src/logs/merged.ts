// Merged: the output of an app's replicas in order of time: a window of it, which grows at either end as one scrolls.
import { follow } from '../live/follow';
import type { Frame } from '../live/sse';
import { frameParser } from '../live/sse';
import type { Anchor } from './anchor';
import { type LogLine, readFrames, type Source, Told } from './source';

const TAIL = 400;
const MORE = 600;
const MOST_MORE = 100_000; // what the API gives at once
const KEPT = 20_000; // rows
const NEAR = 150; // rows from the first one: time to load earlier ones

export const CONTEXT = 3; // lines before and behind what a search has found

interface ToldLine extends Omit<LogLine, 'part' | 'isMatch'> {
  number: number;
  match: boolean;
}

export class MergedSource extends Told implements Source {
  shift = 0;
  isLoaded = false;
  isEnded = false;
  isDetached = false;
  refused: Error | null = null;
  private rows: LogLine[] = [];
  private isWhole = false; // there is nothing before the first row
  private isLoading = false;
  private isFollowing = true;
  private stopStream = () => {};
  private stopping = new AbortController();

  /** `linked` is the line at which it opens, instead of the end. */
  constructor(
    private readonly base: string,
    private readonly asked: Readonly<Record<string, string>>,
    private readonly linked: Anchor | null,
  ) {
    super();
  }

  start(): () => void {
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    if (this.linked !== null && this.linked.part !== null) {
      void this.openAt(this.linked).then((isThere) => {
        if (!isThere && !signal.aborted) this.openEnd();
      });
    } else this.openEnd();
    return () => {
      this.stopStream();
      this.stopping.abort();
      this.rows = [];
      this.isLoaded = false;
      this.isLoading = false;
    };
  }

  get count(): number {
    return this.rows.length;
  }

  private url(more: Record<string, string>): string {
    const around = this.asked.grep && more.tail ? { context: String(CONTEXT) } : {};
    return `${this.base}?${new URLSearchParams({ ...this.asked, ...around, ...more })}`;
  }

  private openEnd(): void {
    this.stopStream();
    this.rows = [];
    this.isWhole = this.isDetached = false;
    this.stopStream = follow(this.url({ follow: 'true', tail: String(TAIL) }), {
      isLast: (frame) => frame.event === 'end',
      onConnection: (connection) => {
        this.isEnded = connection === 'ended';
        if (connection === 'live' || connection === 'ended') this.isLoaded = true;
        this.tell();
      },
      onRefused: (problem) => {
        this.refused = problem;
        this.tell();
      },
      onFrames: (frames) => {
        this.append(linesOf(frames));
        this.tell();
      },
    });
  }

  private append(lines: LogLine[]): void {
    const known = this.rows.length;
    this.rows.push(...lines);
    if (this.asked.grep) markGaps(this.rows, known);
    const over = this.rows.length - KEPT;
    if (over <= 0) return;
    if (this.isFollowing) {
      this.rows.splice(0, over);
      this.shift -= over;
      this.isWhole = false;
    } else {
      this.rows.splice(KEPT, over);
      this.isDetached = true;
      this.stopStream();
    }
  }

  setFollowing(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
    if (isFollowing && this.isDetached) this.openEnd();
  }

  row(at: number): LogLine | undefined {
    return this.rows[at];
  }

  indexOf({ part, line }: Anchor): number {
    return this.rows.findIndex((row) => row.line === line && (part === null || row.part === part));
  }

  want(from: number, to: number): void {
    if (!this.isLoaded || this.isLoading || this.rows.length === 0) return;
    if (from < NEAR && !this.isWhole) void this.loadEarlier();
    else if (this.isDetached && to > this.rows.length - NEAR) void this.loadLater();
  }

  private async loadEarlier(): Promise<void> {
    this.isLoading = true;
    const { signal } = this.stopping;
    try {
      const first = this.rows[0]!;
      const until = secondsOf(first.at, 1);
      for (let tail = MORE; ; tail = Math.min(10 * tail, MOST_MORE)) {
        const lines = linesOf(await readFrames(this.url({ until, tail: String(tail) }), signal));
        const known = new Set(this.rows.slice(0, lines.length).map(keyOf));
        const fresh = lines.filter((line) => !known.has(keyOf(line)));
        const found = lines.filter(({ isMatch }) => isMatch !== false);
        if (found.length < tail || (fresh.length === 0 && tail === MOST_MORE)) this.isWhole = true;
        if (fresh.length === 0 && !this.isWhole) continue;
        this.rows.unshift(...fresh);
        if (this.asked.grep) markGaps(this.rows, 0);
        this.shift += fresh.length;
        break;
      }
      const over = this.rows.length - KEPT;
      if (over > 0) {
        this.rows.splice(KEPT, over);
        this.isDetached = true;
        this.stopStream();
      }
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000)); // asked for again while it is in sight
    } finally {
      this.isLoading = false;
      this.tell();
    }
  }

  /** Behind a window that is not at the end. */
  private async loadLater(): Promise<void> {
    this.isLoading = true;
    try {
      const since = secondsOf(this.rows.at(-1)!.at, 0);
      const lines = await firstLines(this.url({ since }), {}, 2 * MORE, this.stopping.signal);
      const known = new Set(this.rows.slice(-2 * MORE).map(keyOf));
      const fresh = lines.filter((line) => !known.has(keyOf(line)));
      this.rows.push(...fresh);
      const over = Math.max(0, this.rows.length - KEPT);
      this.rows.splice(0, over);
      this.shift -= over;
      if (over > 0) this.isWhole = false;
      if (fresh.length === 0) this.openEnd();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    } finally {
      this.isLoading = false;
      this.tell();
    }
  }

  /** The window around a line; its time is found by the position that a cut stream would be resumed at. */
  private async openAt({ part, line }: Anchor): Promise<boolean> {
    const { signal } = this.stopping;
    try {
      const [found] = await firstLines(
        this.url({ past: 'true' }),
        { 'last-event-id': `${part}:${line - 1}` },
        1,
        signal,
      );
      if (found === undefined || found.part !== part || found.line !== line) return false;
      const before = linesOf(await readFrames(this.url({ until: secondsOf(found.at, 1), tail: String(MORE) }), signal));
      const behind = await firstLines(this.url({ since: secondsOf(found.at, 1) }), {}, MORE, signal);
      this.rows = [...before, ...behind];
      this.isDetached = true;
      this.isLoaded = true;
      this.tell();
      return this.indexOf({ part, line }) >= 0;
    } catch {
      return false;
    }
  }
}

/** Marks where lines of the same part are left out, in rows from `from` on. */
export function markGaps(rows: LogLine[], from: number): void {
  const last = new Map<number, number>();
  for (const [at, row] of rows.entries()) {
    if (at >= from) row.isAfterGap = row.line !== (last.get(row.part) ?? (at === 0 ? row.line - 1 : 0)) + 1;
    last.set(row.part, row.line);
  }
}

const keyOf = (line: LogLine): string => `${line.part}:${line.line}`;

/** Unix seconds of a time, some milliseconds later, exactly as the API has them. */
const secondsOf = (at: string, moreMs: number): string => ((Date.parse(at) + moreMs) / 1000).toFixed(3);

function linesOf(frames: readonly Frame[]): LogLine[] {
  return frames
    .filter((frame) => frame.event === 'line')
    .map((frame) => {
      const { number, match, ...line } = JSON.parse(frame.data) as ToldLine;
      return { ...line, part: number, isMatch: match };
    });
}

/** The first lines of an answer, which is not read any further. */
async function firstLines(
  url: string,
  headers: Record<string, string>,
  most: number,
  signal: AbortSignal,
): Promise<LogLine[]> {
  const enough = new AbortController();
  const both = AbortSignal.any([signal, enough.signal]);
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: both,
    cache: 'no-store',
  });
  if (!response.ok || response.body === null) return [];
  const parse = frameParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const lines: LogLine[] = [];
  while (lines.length < most) {
    const { done, value } = await reader.read();
    if (done) break;
    lines.push(...linesOf(parse(value)));
  }
  enough.abort();
  return lines.slice(0, most);
}
