import { describe, expect, test } from 'vitest';
import { type Asked, CHUNK_BYTES, type Sent, type Told, uploadBuild } from './upload';

const SIZE = 2 * CHUNK_BYTES + 5;

/** A controller that keeps what it is sent; `plan` says what becomes of each PATCH: how many bytes come through before a cut. */
class Controller {
  asked: string[] = [];
  kept = 0;
  wire = 0;
  isThere = false;
  waits = 0;
  faults: { path: string; message: string }[] = [];
  told: Sent[] = [];
  constructor(private readonly cuts: (number | 'lost' | 503)[] = []) {}

  ask = async ({ method, path, headers, body, onSent }: Asked): Promise<Told> => {
    this.asked.push(`${method} ${path}`);
    const tell = (status: number, more: Record<string, string> = {}, json: unknown = null): Told => ({
      status,
      header: (name) => more[name] ?? null,
      body: json,
    });
    if (path.startsWith('/api/builds')) {
      const spec = JSON.parse(String(body)) as { name: string };
      if (this.faults.length > 0) return tell(400, {}, { title: 'Bad', detail: 'not valid', errors: this.faults });
      if (path.startsWith('/api/builds/check')) return tell(204);
      return tell(201, {}, { id: 'b-1', sent: spec });
    }
    if (method === 'POST') {
      this.kept = 0;
      this.isThere = true;
      return tell(202, { location: '/v2/p/shop/blobs/uploads/u_1' });
    }
    if (method === 'DELETE') {
      this.isThere = false;
      return tell(204);
    }
    if (!this.isThere) return tell(404, {}, { errors: [{ message: 'unknown' }] });
    const range = `0-${Math.max(0, this.kept - 1)}`;
    if (method === 'GET') return tell(204, { range });
    const size = (body as Blob).size;
    const first = Number(headers?.['content-range']?.split('-')[0]);
    if (first !== this.kept) return tell(416, { range });
    const cut = this.cuts.shift();
    this.wire += size;
    if (cut === 503) return tell(503);
    onSent?.(Math.min(size, typeof cut === 'number' ? cut : size));
    this.kept += typeof cut === 'number' ? cut : size;
    return cut === undefined ? tell(202) : tell(0);
  };

  send(signal: AbortSignal = new AbortController().signal) {
    return uploadBuild({
      spec: { name: 'shop' },
      source: new Blob([new Uint8Array(SIZE)]),
      project: 'p',
      key: 'k',
      signal,
      onProgress: (sent) => this.told.push(sent),
      ask: this.ask,
      now: () => 1000,
      wait: async () => void this.waits++,
    });
  }
}

describe('an upload', () => {
  test('is sent in chunks and becomes the source of a build', async () => {
    const controller = new Controller();
    const build = (await controller.send()) as unknown as { id: string; sent: unknown };
    expect(build.sent).toEqual({ name: 'shop', upload: 'u_1' });
    expect(controller.asked).toEqual([
      'POST /api/builds/check?project=p',
      'POST /v2/p/shop/blobs/uploads/',
      ...Array.from({ length: 3 }, () => 'PATCH /v2/p/shop/blobs/uploads/u_1'),
      'POST /api/builds?project=p',
    ]);
    expect(controller.kept).toBe(SIZE);
    expect(controller.told.every(({ cut }) => cut === null)).toBe(true);
    expect(controller.told.at(-1)?.bytes).toBe(SIZE);
  });

  test('goes on where the controller has got to', async () => {
    const controller = new Controller([1000, 0, 'lost']);
    await controller.send();
    expect(controller.kept).toBe(SIZE);
    expect(controller.waits).toBe(3);
    expect(controller.told.filter(({ cut }) => cut?.at === 1000).map(({ bytes }) => bytes)).toContain(1000);
    expect(controller.told.at(-1)).toEqual({ bytes: SIZE, cut: null });
  });

  test('waits for a controller that is busy, and asks nobody to do it again', async () => {
    const controller = new Controller([503, 503]);
    await controller.send();
    expect(controller.kept).toBe(SIZE);
    expect(controller.waits).toBe(2);
  });

  test('begins again where the controller has forgotten it', async () => {
    const controller = new Controller([0]);
    const wait = async () => {
      controller.isThere = false;
    };
    const source = new Blob([new Uint8Array(10)]);
    const { signal } = new AbortController();
    await uploadBuild({
      spec: { name: 'shop' },
      source,
      project: 'p',
      key: 'k',
      signal,
      onProgress: () => {},
      ask: controller.ask,
      wait,
    });
    expect(controller.asked.filter((one) => one === 'POST /v2/p/shop/blobs/uploads/')).toHaveLength(2);
    expect(controller.kept).toBe(10);
  });

  test('one byte that came before a cut is not sent twice', async () => {
    const controller = new Controller([1]);
    await controller.send();
    expect(controller.kept).toBe(SIZE);
  });

  test('stops when it is told to, and is forgotten', async () => {
    const controller = new Controller();
    const stopping = new AbortController();
    const { ask } = controller;
    controller.ask = (asked) => {
      if (asked.method === 'PATCH') stopping.abort();
      return ask(asked);
    };
    await expect(controller.send(stopping.signal)).rejects.toThrow();
    expect(controller.asked.at(-1)).toBe('DELETE /v2/p/shop/blobs/uploads/u_1');
  });

  test('what cannot be built is told before anything is sent', async () => {
    const controller = new Controller();
    controller.faults = [{ path: 'args', message: 'must not have NUL characters' }];
    await expect(controller.send()).rejects.toMatchObject({
      faults: controller.faults,
    });
    expect(controller.wire).toBe(0);
  });

  test('a refusal is told in the words of the registry', async () => {
    const controller = new Controller();
    controller.ask = async () => ({
      status: 403,
      header: () => null,
      body: { errors: [{ code: 'DENIED', message: 'the key is for project red only' }] },
    });
    await expect(controller.send()).rejects.toThrow('the key is for project red only');
  });
});
