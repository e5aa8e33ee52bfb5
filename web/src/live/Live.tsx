// Live: one stream of events for the whole page. Each makes what it concerns stale; who listens hears it, too.
import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import type { AppDetail, EventView } from '../api/client';
import { keys } from '../api/queries';
import { paced } from '../lib/paced';
import { type Connection, follow } from './follow';
import { distinct, type Key, staleBy } from './stale';

const EVERY_MS = 250; // at most so often is anything read again, however many events come
const LONGEST_READ_MS = 5000; // one answer that does not come does not keep the others
const TOLD_EVERY_MS = 100; // at most so often are new events drawn
const HIDDEN_MS = 60_000; // browsers allow six connections to a host: a page that nobody sees gives its own back
const KEPT = 200;

type Listener = (events: EventView[]) => void;
type Hear = (app: AppDetail | null) => void;

interface LiveValue {
  connection: Connection;
  /** The newest events, newest first. */
  recent: EventView[];
  listen: (listener: Listener) => () => void;
  /** Hears an app at each change, null when it is removed; by the same connection. One app at a time. */
  watch: (app: string, hear: Hear) => () => void;
}

const Context = createContext<LiveValue>({
  connection: 'connecting',
  recent: [],
  listen: () => () => {},
  watch: () => () => {},
});

export const useLive = () => useContext(Context);

/** Calls `listener` with events as they come. */
export function useEvents(listener: Listener): void {
  const { listen } = useLive();
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => listen((events) => latest.current(events)), [listen]);
}

/** `since`: events after this number are told. `known`: those up to this are in what has been read. */
export function Live({ since, known, children }: { since: number; known: number; children: ReactNode }) {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>('connecting');
  const [recent, setRecent] = useState<EventView[]>([]);
  const listeners = useRef(new Set<Listener>());
  const last = useRef(since);
  const watched = useRef<{ app: string | null; hearing: Set<Hear> }>({ app: null, hearing: new Set() });
  const restart = useRef(() => {});

  useEffect(() => {
    let wasCut = false;
    let stale: Key[] = [];
    let untold: EventView[] = [];
    const reading = paced(EVERY_MS, () => {
      const reads = distinct(stale).map((queryKey) => client.invalidateQueries({ queryKey }));
      stale = [];
      return Promise.race([Promise.all(reads), new Promise((resolve) => setTimeout(resolve, LONGEST_READ_MS))]);
    });
    const telling = paced(TOLD_EVERY_MS, () => {
      const events = untold.toReversed();
      untold = [];
      setRecent((before) => [...events, ...before].slice(0, KEPT));
    });
    let asked: string | null = null; // which app the stream tells of
    const begin = (isSilent = false) => {
      asked = watched.current.app;
      const more = asked === null ? '' : `&app=${encodeURIComponent(asked)}`;
      return follow(`/api/events?since=${last.current}${more}`, {
        onConnection: (now) => {
          if (isSilent && now === 'connecting') return; // to ask for an app in addition is no cut
          setConnection(now);
          if (now === 'reconnecting') wasCut = true;
          if (now === 'live' && wasCut) {
            wasCut = false;
            void client.invalidateQueries(); // events catch up by themselves; loads and old events do not
          }
        },
        onRefused: () => void client.invalidateQueries({ queryKey: keys.session }),
        onFrames: (all) => {
          const view = all.findLast(({ event }) => event === 'watched' || event === 'unwatched');
          if (view !== undefined && watched.current.app === asked) {
            const app = view.event === 'watched' ? (JSON.parse(view.data) as AppDetail) : null;
            for (const hear of watched.current.hearing) hear(app);
          }
          const frames = all.filter(({ event }) => event !== 'watched' && event !== 'unwatched');
          if (frames.length === 0) return;
          const events = frames.map((frame) => JSON.parse(frame.data) as EventView);
          last.current = events.at(-1)?.number ?? last.current;
          const fresh = events.filter((event) => event.number > known);
          stale.push(...fresh.flatMap(staleBy));
          if (fresh.length > 0) reading.ask();
          untold.push(...events);
          telling.ask();
          for (const listener of listeners.current) listener(events);
        },
      });
    };

    let stop = begin();
    let hiding: ReturnType<typeof setTimeout> | undefined;
    let isPaused = false;
    let changing: ReturnType<typeof setTimeout> | undefined;
    restart.current = () => {
      // From one page to the next an app is left and another, or the same, is looked at.
      clearTimeout(changing);
      changing = setTimeout(() => {
        if (isPaused || watched.current.app === asked) return;
        stop();
        stop = begin(true);
      }, 0);
    };
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
      clearTimeout(changing);
      restart.current = () => {};
      reading.stop();
      telling.stop();
      stop();
    };
  }, [client, known]);

  const listen = useCallback((listener: Listener) => {
    listeners.current.add(listener);
    return () => void listeners.current.delete(listener);
  }, []);
  const watch = useCallback((app: string, hear: Hear) => {
    if (watched.current.app !== app) watched.current = { app, hearing: new Set() };
    const { hearing } = watched.current;
    hearing.add(hear);
    restart.current();
    return () => {
      hearing.delete(hear);
      if (hearing.size === 0 && watched.current.hearing === hearing) watched.current = { app: null, hearing };
      restart.current();
    };
  }, []);
  const value = useMemo<LiveValue>(
    () => ({
      connection,
      recent,
      listen,
      watch,
    }),
    [connection, recent, listen, watch],
  );
  return <Context value={value}>{children}</Context>;
}
