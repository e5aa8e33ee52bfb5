// UseEventHistory: events from some number on, and those that come.
import { useEffect, useState } from 'react';
import type { EventView } from '../../api/client';
import { follow } from '../../live/follow';

export interface History {
  /** Newest first. */
  events: readonly EventView[];
  isRead: boolean;
  error: Error | null;
}

/** A stream of its own, since the page's begins with the page. */
export function useEventHistory(since: number): History {
  const [history, setHistory] = useState<History>({ events: [], isRead: false, error: null });
  useEffect(() => {
    let waiting: EventView[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let all: EventView[] = [];
    const flush = () => {
      timer = undefined;
      all = [...waiting.reverse(), ...all];
      waiting = [];
      setHistory({ events: all, isRead: true, error: null });
    };
    const stop = follow(`/api/events?since=${since}`, {
      onConnection: (connection) => {
        if (connection === 'live') timer ??= setTimeout(flush, 150);
      },
      onRefused: (error) => setHistory({ events: [], isRead: true, error }),
      onFrames: (frames) => {
        waiting.push(...frames.map((frame) => JSON.parse(frame.data) as EventView));
        timer ??= setTimeout(flush, 100);
      },
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [since]);
  return history;
}
