// Follow: a stream of server-sent events that is taken up again where it was cut, until it is stopped.
import { problemOf } from '../api/problem';
import { type Frame, frameParser } from './sse';

export type Connection = 'connecting' | 'live' | 'reconnecting' | 'paused' | 'ended';

const SILENCE_MS = 40_000; // the server sends a beat every 15 s
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5000;

export interface Following {
  /** Frames, several at a time where they come fast. */
  onFrames: (frames: Frame[]) => void;
  onConnection?: (connection: Connection) => void;
  /** The stream cannot be had: the API has refused it. It is not asked again. */
  onRefused?: (problem: Error & { status: number }) => void;
  /** Whether these frames are the stream's last, as with the output of a job that has ended. */
  isLast?: (frame: Frame) => boolean;
}

/** Follows `url` from now on. Returns how to stop. */
export function follow(url: string, on: Following): () => void {
  const stopping = new AbortController();
  void run(url, on, stopping.signal);
  return () => stopping.abort();
}

async function run(url: string, on: Following, stopped: AbortSignal): Promise<void> {
  let lastId = '';
  let wait = FIRST_WAIT_MS;
  const tell = (connection: Connection) => {
    if (!stopped.aborted) on.onConnection?.(connection);
  };
  tell('connecting');
  while (!stopped.aborted) {
    const cut = new AbortController();
    const cutToo = () => cut.abort();
    stopped.addEventListener('abort', cutToo);
    let watchdog = setTimeout(cutToo, SILENCE_MS);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId) headers['last-event-id'] = lastId;
      const response = await fetch(url, { headers, signal: cut.signal, cache: 'no-store' });
      if (!response.ok || !response.body) {
        const problem = problemOf(response.status, await response.json().catch(() => null));
        if (response.status < 500 && response.status !== 429) {
          tell('ended');
          if (!stopped.aborted) on.onRefused?.(problem);
          return;
        }
        throw problem;
      }
      tell('live');
      const parse = frameParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || stopped.aborted) break;
        clearTimeout(watchdog);
        watchdog = setTimeout(cutToo, SILENCE_MS);
        tell('live');
        wait = FIRST_WAIT_MS;
        const frames = parse(value);
        for (const frame of frames) if (frame.id !== null) lastId = frame.id;
        const told = frames.filter((frame) => frame.data !== '');
        if (told.length > 0 && !stopped.aborted) on.onFrames(told);
        if (told.some((frame) => on.isLast?.(frame))) {
          tell('ended');
          return;
        }
      }
    } catch {
      // cut, or refused for now: which of them makes no difference
    } finally {
      clearTimeout(watchdog);
      stopped.removeEventListener('abort', cutToo);
      cut.abort();
    }
    if (stopped.aborted) return;
    tell('reconnecting');
    await sleep(wait / 2 + (Math.random() * wait) / 2, stopped);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

function sleep(milliseconds: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    stopped.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
