import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MergedSource, markGaps } from './merged';
import type { LogLine } from './source';

// An app of two replicas that have written in turn, several lines a millisecond.
const LINES = Array.from({ length: 3000 }, (_, at) => ({
  replica: `a-${(at % 2) + 1}`,
  number: (at % 2) + 1,
  node: 'vm',
  line: Math.floor(at / 2) + 1,
  at: new Date(1_700_000_000_000 + Math.floor(at / 5)).toISOString(),
  stream: 'stdout',
  text: `line ${at}`,
  partial: false,
}));

/** The API's answer, by its rules: `until` is excluded, `since` included. */
function answer(url: string, headers: Record<string, string>): Response {
  const query = new URL(url, 'http://x').searchParams;
  const time = (name: string) => (query.has(name) ? Math.round(Number(query.get(name)) * 1000) : null);
  const [since, until] = [time('since'), time('until')];
  let lines = LINES.filter(
    (line) => (since === null || Date.parse(line.at) >= since) && (until === null || Date.parse(line.at) < until),
  );
  const position = /^(\d+):(\d+)$/.exec(headers['last-event-id'] ?? '');
  if (position !== null) {
    lines = lines.filter((line) => line.number === Number(position[1]) && line.line > Number(position[2]));
  }
  if (query.has('tail')) lines = lines.slice(-Number(query.get('tail')));
  const frames = lines.map((line) => `event: line\nid: ${line.number}:${line.line}\ndata: ${JSON.stringify(line)}\n\n`);
  return new Response(`${frames.join('')}event: end\ndata: {"state":"ended"}\n\n`);
}

beforeEach(() => {
  vi.stubGlobal('document', { visibilityState: 'hidden' });
  vi.stubGlobal('fetch', async (url: string, options: { headers: Record<string, string> }) =>
    answer(url, options.headers),
  );
});
afterEach(() => vi.unstubAllGlobals());

const texts = (source: MergedSource) => Array.from({ length: source.count }, (_, at) => source.row(at)?.text);
const wanted = (from: number, to: number) => LINES.slice(from, to).map((line) => line.text);

test('it opens at the end and grows to the beginning, each line once and in order', async () => {
  const source = new MergedSource('/api/apps/shop/logs', {}, null);
  const stop = source.start();
  await vi.waitFor(() => expect(source.isEnded).toBe(true));
  expect(texts(source)).toEqual(wanted(2600, 3000));
  while (source.count < 3000) {
    const before = source.count;
    source.want(0, 50);
    await vi.waitFor(() => expect(source.count).toBeGreaterThan(before));
  }
  expect(texts(source)).toEqual(wanted(0, 3000));
  expect(source.shift).toBe(2600);
  stop();
});

test('a line that an address names is opened with what is around it, and on to the end', async () => {
  const source = new MergedSource('/api/apps/shop/logs', {}, { part: 2, line: 500 });
  const stop = source.start();
  await vi.waitFor(() => expect(source.isLoaded).toBe(true));
  const at = source.indexOf({ part: 2, line: 500 });
  expect(source.row(at)?.text).toBe('line 999');
  expect(source.isDetached).toBe(true);
  const first = Number(source.row(0)?.text.split(' ')[1]);
  expect(texts(source)).toEqual(wanted(first, first + source.count));
  while (source.row(source.count - 1)?.text !== 'line 2999') {
    const before = source.count;
    source.want(before - 50, before);
    await vi.waitFor(() => expect(source.count).toBeGreaterThan(before));
  }
  expect(texts(source)).toEqual(wanted(first, 3000));
  stop();
});

test('a line that is not there opens the end', async () => {
  const source = new MergedSource('/api/apps/shop/logs', {}, { part: 7, line: 5 });
  const stop = source.start();
  await vi.waitFor(() => expect(source.isEnded).toBe(true));
  expect(source.count).toBe(400);
  stop();
});

test('where lines of the same replica are left out is marked', () => {
  const row = (part: number, line: number) => ({ part, line, at: '', stream: 'stdout', text: '', partial: false });
  const rows: LogLine[] = [row(1, 4), row(1, 5), row(2, 1), row(1, 6), row(2, 3), row(1, 9)];
  markGaps(rows, 0);
  expect(rows.map(({ isAfterGap }) => isAfterGap)).toEqual([false, false, false, false, true, true]);
});
