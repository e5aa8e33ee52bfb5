import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { api, OWN_PAGE, take } from './client';

const START = readFileSync(join(import.meta.dirname, '../../public/start.js'), 'utf8');
const BASE = 'http://controller';

afterEach(() => vi.unstubAllGlobals());

/** Runs start.js in a page of which this is all there is; returns what it asked. */
async function start(session: 'sent' | 'none'): Promise<{ asked: string[]; headers: unknown[] }> {
  const asked: string[] = [];
  const headers: unknown[] = [];
  vi.stubGlobal('document', {
    documentElement: { setAttribute: () => {} },
    querySelector: () => ({ content: session }),
  });
  vi.stubGlobal('localStorage', { getItem: () => 'dark' });
  vi.stubGlobal('location', { pathname: '/dashboard' });
  vi.stubGlobal('draasAnswers', undefined);
  vi.stubGlobal('fetch', async (address: string, init: RequestInit) => {
    asked.push(address);
    headers.push(init.headers);
    return Response.json({ total: 3, items: [] });
  });
  new Function(START)();
  return { asked, headers };
}

test('what every page asks for first is answered by what was asked before the scripts came, once', async () => {
  const { headers } = await start('sent');
  expect(headers).toContainEqual(OWN_PAGE);
  const late = vi.fn(async () => Response.json({ total: 4, items: [] }));
  vi.stubGlobal('fetch', late);
  const at = { baseUrl: BASE };
  await take(api.GET('/api/session', at));
  await take(api.GET('/api/nodes', at));
  await take(api.GET('/api/apps', at));
  await take(api.GET('/api/status', at));
  expect(late).not.toHaveBeenCalled();
  await take(api.GET('/api/nodes', at));
  expect(late).toHaveBeenCalledTimes(1);
});

test('who has sent no session asks for no more than that', async () => {
  const { asked } = await start('none');
  expect(asked).toEqual(['/api/session']);
});
