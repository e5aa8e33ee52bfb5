// Upload: a source into the controller's registry, in chunks, going on after a cut where the controller's part ends.
// Source: OCI distribution specification 1.1, "Pushing a blob in chunks".
import { type Build, OWN_PAGE, type Schemas } from '../../api/client';
import { type Problem, problemOf } from '../../api/problem';

export const CHUNK_BYTES = 8 * 1024 * 1024;
const LEAST_CHUNK_BYTES = 1024 * 1024;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const SILENCE_MS = 60_000; // of a request that neither sends nor ends: it is given up and asked for again
const AWAY: readonly number[] = [0, 408, 429, 502, 503, 504]; // the controller or the way to it, for now; 0: no answer

export interface Asked {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Blob | string;
  /** Bytes of the body that have left. */
  onSent?: (bytes: number) => void;
}
export interface Told {
  status: number; // 0: there was no answer
  header: (name: string) => string | null;
  body: unknown;
}
/** One request. Does not reject. */
export type Ask = (asked: Asked) => Promise<Told>;

export interface Cut {
  /** Since when, in milliseconds of the page's clock. */
  at: number;
  /** What was answered, where anything was. */
  told: string;
}
export interface Sent {
  bytes: number;
  /** Null: it goes on. */
  cut: Cut | null;
}

interface Sending {
  spec: Schemas['BuildBody'];
  source: Blob;
  project: string;
  /** The Idempotency-Key of the build. */
  key: string;
  onProgress: (sent: Sent) => void;
  signal: AbortSignal;
  ask?: Ask;
  now?: () => number;
  wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** The new build. Throws Problem, or what `signal` was aborted with; what was sent so far is then forgotten by the controller. */
export async function uploadBuild(sending: Sending): Promise<Build> {
  const { spec, source, project, key, onProgress, signal } = sending;
  const ask = sending.ask ?? askBy(signal);
  const now = sending.now ?? Date.now;
  const wait = sending.wait ?? untilOnline;
  const begin = `/v2/${project}/${spec.name}/blobs/uploads/`;
  let location = '';
  let offset = 0;
  let isUnsure = false; // how much the controller has
  let cut: Cut | null = null;
  let isChecked = false;
  let chunkBytes = CHUNK_BYTES; // less on a line that breaks: the browser itself sends a chunk again whose answer was cut

  const send = (): Promise<Told> => {
    const chunk = source.slice(offset, offset + chunkBytes);
    const from = offset;
    return ask({
      method: 'PATCH',
      path: location,
      headers: {
        'content-type': 'application/octet-stream',
        'content-range': `${from}-${from + chunk.size - 1}`,
      },
      body: chunk,
      onSent: (bytes) => onProgress({ bytes: from + bytes, cut }),
    });
  };
  const askOfBuilds = (path: string, body: object, headers: Record<string, string> = {}): Promise<Told> =>
    ask({
      method: 'POST',
      path: `/api/builds${path}?project=${encodeURIComponent(project)}`,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  /** One request's worth of progress. */
  const step = async (): Promise<Build | Told> => {
    if (!isChecked) {
      const told = await askOfBuilds('/check', spec); // what cannot be built is told before anything is sent
      isChecked = told.status === 204;
      return told;
    }
    if (location === '') {
      const told = await ask({ method: 'POST', path: begin });
      if (told.status === 202) {
        location = told.header('location') ?? '';
        offset = 0;
        isUnsure = false;
      }
      return told;
    }
    if (isUnsure) {
      const told = await ask({ method: 'GET', path: location });
      if (told.status === 204) {
        offset = endOf(told);
        isUnsure = false;
      } else if (told.status === 404) location = '';
      return told.status === 404 ? { ...told, status: 204 } : told;
    }
    if (offset < source.size) {
      const told = await send();
      if (told.status === 202) {
        offset = Math.min(source.size, offset + chunkBytes);
        chunkBytes = Math.min(CHUNK_BYTES, chunkBytes + LEAST_CHUNK_BYTES);
      } else if (told.status === 416 && (offset > 0 || told.header('range') !== '0-0')) {
        isUnsure = true; // what a cut left on its way has come in meanwhile
      } else if (told.status === 404 || told.status === 409 || told.status === 416) {
        await ask({ method: 'DELETE', path: location });
        location = '';
      } else return told;
      return { ...told, status: 202 };
    }
    const upload = location.slice(location.lastIndexOf('/') + 1);
    const told = await askOfBuilds('', { ...spec, upload }, { 'idempotency-key': key });
    return told.status === 201 || told.status === 200 ? (told.body as Build) : told;
  };

  try {
    for (let attempt = 0; ; ) {
      const told = await step();
      signal.throwIfAborted();
      if ('id' in told) return told;
      if (AWAY.includes(told.status)) {
        chunkBytes = Math.max(LEAST_CHUNK_BYTES, Math.floor(chunkBytes / 2));
        isUnsure = location !== '' && offset < source.size;
        cut = { at: since(cut) ?? now(), told: told.status === 0 ? '' : refusal(told).message };
        onProgress({ bytes: offset, cut });
        await wait(waitMs(attempt++), signal);
        signal.throwIfAborted();
        continue;
      }
      if (told.status >= 400) throw refusal(told);
      attempt = 0;
      cut = null;
      onProgress({ bytes: offset, cut });
    }
  } catch (error) {
    if (location !== '') void (sending.ask ?? askBy())({ method: 'DELETE', path: location });
    throw error;
  }
}

const since = (cut: Cut | null): number | undefined => cut?.at;

/** How long to wait after so many failures in a row. */
const waitMs = (attempt: number): number =>
  Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);

/** Where the controller's part ends. 0-0 is said of nothing and of one byte: taken for nothing, which is refused where it was the byte. */
function endOf(told: Told): number {
  const last = Number((told.header('range') ?? '').split('-')[1]);
  return last > 0 ? last + 1 : 0;
}

/** An error of the API, or of the distribution API, which tells them in another form. */
function refusal({ status, body }: Told): Problem {
  const found = (body as { errors?: { message?: unknown; path?: unknown }[] } | null)?.errors?.[0];
  const detail = typeof found?.message === 'string' && found.path === undefined ? found.message : undefined;
  return problemOf(status, detail === undefined ? body : { title: 'The upload was refused', detail });
}

/** By XMLHttpRequest, as fetch tells no progress of what it sends. */
function askBy(signal?: AbortSignal): Ask {
  return ({ method, path, headers, body, onSent }) =>
    new Promise((resolve) => {
      const request = new XMLHttpRequest();
      const abort = () => request.abort();
      let watchdog: ReturnType<typeof setTimeout>;
      const watch = () => {
        clearTimeout(watchdog);
        watchdog = setTimeout(abort, SILENCE_MS);
      };
      const end = () => {
        clearTimeout(watchdog);
        signal?.removeEventListener('abort', abort);
        resolve({
          status: request.status,
          header: (name) => request.getResponseHeader(name),
          body: request.response,
        });
      };
      request.open(method, path);
      for (const [name, value] of Object.entries({ ...OWN_PAGE, ...headers })) request.setRequestHeader(name, value);
      request.responseType = 'json';
      request.upload.onprogress = (event) => {
        watch();
        onSent?.(event.loaded);
      };
      request.onload = request.onerror = request.onabort = end;
      signal?.addEventListener('abort', abort);
      watch();
      if (signal?.aborted) end();
      else request.send(body);
    });
}

/** For a while, or until the browser says that it is online again. */
function untilOnline(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener('online', end);
    signal.addEventListener('abort', end);
  });
}
