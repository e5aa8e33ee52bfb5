// TimeAgo: when something happened, growing older by itself; the exact time is its tooltip.
import { useEffect, useSyncExternalStore } from 'react';
import { ago, duration, exactTime, span } from '../lib/time';

const waiting = new Set<() => void>();
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(then: () => void): () => void {
  waiting.add(then);
  timer ??= setInterval(() => {
    nowMs = Date.now();
    for (const one of waiting) one();
  }, 1000);
  return () => {
    waiting.delete(then);
    if (waiting.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time in milliseconds, new each second: one timer for the whole page. */
export function useNow(): number {
  useEffect(() => {
    nowMs = Date.now();
  }, []);
  return useSyncExternalStore(subscribe, () => nowMs);
}

export function TimeAgo({ at, none = '–' }: { at: string | null; none?: string }) {
  const now = useNow();
  if (at === null) return <span>{none}</span>;
  return (
    <time dateTime={at} title={exactTime(at)}>
      {ago(at, now)}
    </time>
  );
}

/** How long something took, or takes so far. */
export function Duration({ from, to }: { from: string | null; to: string | null }) {
  const now = useNow();
  const seconds = span(from, to, now);
  return <span className="figure">{seconds === null ? '–' : duration(seconds)}</span>;
}
