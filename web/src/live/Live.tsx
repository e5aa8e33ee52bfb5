// Live: one stream of events for the whole page. Each makes what it concerns stale; who listens hears it, too.
import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import type { EventView } from '../api/client';
import { keys } from '../api/queries';
import { type Connection, follow } from './follow';
import { distinct, type Key, staleBy } from './stale';

const EVERY_MS = 250; // at most so often is anything read again, however many events come
const HIDDEN_MS = 60_000; // browsers allow six connections to a host: a page that nobody sees gives its own back
const KEPT = 200;

type Listener = (events: EventView[]) => void;

interface LiveValue {
  connection: Connection;
  /** The newest events, newest first. */
  recent: EventView[];
  listen: (listener: Listener) => () => void;
}

const Context = createContext<LiveValue>({ connection: 'connecting', recent: [], listen: () => () => {} });

export const useLive = () => useContext(Context);

/** Calls `listener` with events as they come. */
export function useEvents(listener: Listener): void {
  const { listen } = useLive();
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => listen((events) => latest.current(events)), [listen]);
}

/** `since`: events after this number are told. */
export function Live({ since, children }: { since: number; children: ReactNode }) {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>('connecting');
  const [recent, setRecent] = useState<EventView[]>([]);
  const listeners = useRef(new Set<Listener>());
  const last = useRef(since);

  useEffect(() => {
    let wasCut = false;
    let waiting: Key[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lastFlush = 0;

    const flush = () => {
      timer = undefined;
      lastFlush = performance.now();
      const stale = distinct(waiting);
      waiting = [];
      for (const queryKey of stale) void client.invalidateQueries({ queryKey });
    };
    const soon = () => {
      timer ??= setTimeout(flush, Math.max(0, EVERY_MS - (performance.now() - lastFlush)));
    };
    const begin = () =>
      follow(`/api/events?since=${last.current}`, {
        onConnection: (now) => {
          setConnection(now);
          if (now === 'reconnecting') wasCut = true;
          if (now === 'live' && wasCut) {
            wasCut = false;
            void client.invalidateQueries(); // events catch up by themselves; loads and old events do not
          }
        },
        onRefused: () => void client.invalidateQueries({ queryKey: keys.session }),
        onFrames: (frames) => {
          const events = frames.map((frame) => JSON.parse(frame.data) as EventView);
          last.current = events.at(-1)?.number ?? last.current;
          waiting.push(...events.flatMap(staleBy));
          soon();
          setRecent((before) => [...events.toReversed(), ...before].slice(0, KEPT));
          for (const listener of listeners.current) listener(events);
        },
      });

    let stop = begin();
    let hiding: ReturnType<typeof setTimeout> | undefined;
    let isPaused = false;
    const onVisibility = () => {
      clearTimeout(hiding);
      if (document.visibilityState === 'hidden') {
        hiding = setTimeout(() => {
          stop();
          isPaused = true;
          setConnection('paused');
        }, HIDDEN_MS);
      } else if (isPaused) {
        isPaused = false;
        wasCut = true;
        stop = begin();
      }
    };
    document.addEventListener('visibilitychange', onVisibility);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      clearTimeout(hiding);
      clearTimeout(timer);
      stop();
    };
  }, [client]);

  const listen = useCallback((listener: Listener) => {
    listeners.current.add(listener);
    return () => void listeners.current.delete(listener);
  }, []);
  const value = useMemo<LiveValue>(
    () => ({
      connection,
      recent,
      listen,
    }),
    [connection, recent, listen],
  );
  return <Context value={value}>{children}</Context>;
}
