import { expect, test } from 'vitest';
import { frameParser } from './sse';

const STREAM =
  ': beat\n\nid: 7\n\nid: 8\nevent: job.queued\ndata: {"a":1}\n\nevent: x\r\ndata: one\r\ndata:two\r\n\r\n';

test('frames are found, beats are not', () => {
  expect(frameParser()(STREAM)).toEqual([
    { id: '7', event: 'message', data: '' },
    { id: '8', event: 'job.queued', data: '{"a":1}' },
    { id: null, event: 'x', data: 'one\ntwo' },
  ]);
});

test('however the stream is cut into pieces, the frames are the same', () => {
  const whole = frameParser()(STREAM);
  for (let size = 1; size < STREAM.length; size++) {
    const parse = frameParser();
    const found = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...parse(STREAM.slice(at, at + size)));
    expect(found, `pieces of ${size}`).toEqual(whole);
  }
});

test('an unfinished frame waits', () => {
  const parse = frameParser();
  expect(parse('data: hel')).toEqual([]);
  expect(parse('lo\n')).toEqual([]);
  expect(parse('\n')).toEqual([{ id: null, event: 'message', data: 'hello' }]);
});
