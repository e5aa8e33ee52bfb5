import { expect, test } from 'vitest';
import type { Build } from '../../api/client';
import { buildFailure, commandOf, readFilter, sourceOf } from './words';

test('a filter is read from an address and told as a command', () => {
  expect(readFilter({ state: 'failed', name: 7, other: 1 })).toEqual({ state: 'failed', name: '7' });
  expect(readFilter({ state: 'broken' })).toEqual({});
  expect(commandOf({})).toBe('draas builds');
  expect(commandOf({ state: 'failed', name: 'shop' })).toBe('draas builds list --state failed --name shop');
});

test('where a source is from', () => {
  expect(sourceOf({ git: 'https://e.example/s.git', source: null })).toBe('https://e.example/s.git');
  expect(sourceOf({ git: null, source: { digest: `sha256:${'0'.repeat(64)}` } })).toBe('upload sha256:000000000000');
});

test('why there is no image', () => {
  const build = (more: object, attempt: object = {}) =>
    ({
      state: 'failed',
      cause: '',
      reason: '',
      exit_code: 1,
      resources: { memory_mb: 64 },
      attempts: [attempt],
      ...more,
    }) as Build;
  expect(buildFailure(build({}, { oom: true }))).toBe('It used more memory than it may (64 MiB)');
  expect(buildFailure(build({ cause: 'timeout', timeout_s: 90 }))).toBe('It took longer than 1 min 30 s.');
  expect(buildFailure(build({}, { detail: 'no Dockerfile' }))).toBe('no Dockerfile');
  expect(buildFailure(build({}))).toBe('It ended with exit code 1.');
});
