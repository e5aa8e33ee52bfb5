// Source: an output as rows that a view draws: how many there are, those that are here, and how to get others.

import { problemOf } from '../api/problem';
import { type Frame, frameParser } from '../live/sse';
import type { Anchor } from './anchor';

export interface LogLine {
  /** The number of the attempt or of the replica. */
  part: number;
  line: number;
  at: string;
  stream: string;
  text: string;
  partial: boolean;
  /** Of a search: not merely near what was found. */
  isMatch?: boolean;
  /** Of a search: lines of the same part are left out before it. */
  isAfterGap?: boolean;
}

export interface Source {
  start(): () => void;
  subscribe(then: () => void): () => void;
  /** Changes with whatever is shown. */
  version(): number;
  readonly count: number;
  /** Rows put before the first one so far, less those taken away there. */
  readonly shift: number;
  readonly isLoaded: boolean;
  readonly isEnded: boolean;
  /** Lines may have come that are not among the rows. */
  readonly isDetached: boolean;
  readonly refused: Error | null;
  row(at: number): LogLine | undefined;
  /** Rows from `from` to before `to` are in sight. */
  want(from: number, to: number): void;
  /** Where a line is, or -1. */
  indexOf(anchor: Anchor): number;
  /** The newest rows are in sight from now on, or not. */
  setFollowing(isFollowing: boolean): void;
}

/** Tells subscribers at most once a frame. */
export class Told {
  private readonly listeners = new Set<() => void>();
  private number = 0;
  private isDue = false;

  subscribe = (then: () => void): (() => void) => {
    this.listeners.add(then);
    return () => void this.listeners.delete(then);
  };
  version = (): number => this.number;

  protected tell(): void {
    if (this.isDue) return;
    this.isDue = true;
    const now = () => {
      this.isDue = false;
      this.number++;
      for (const listener of this.listeners) listener();
    };
    if (document.visibilityState === 'hidden') setTimeout(now, 250);
    else requestAnimationFrame(now);
  }
}

/** Lines of an answer that has an end. Throws Problem. */
export async function readFrames(url: string, signal: AbortSignal): Promise<Frame[]> {
  const response = await fetch(url, { headers: { accept: 'text/event-stream' }, signal, cache: 'no-store' });
  if (!response.ok) throw problemOf(response.status, await response.json().catch(() => null));
  return frameParser()(await response.text());
}
