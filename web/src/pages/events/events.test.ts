import { expect, test } from 'vitest';
import type { EventView } from '../../api/client';
import { kindsOf, matches, readFilter } from './filter';

const event = (kind: string, name = ''): EventView => ({
  number: 1,
  at: '2026-01-31T09:05:00Z',
  kind,
  subject: 'j-17',
  project: 'web',
  detail: { name },
});

test('a kind is a noun or whole', () => {
  expect(matches(event('job.failed'), { kind: 'job' })).toBe(true);
  expect(matches(event('job.failed'), { kind: 'job.failed' })).toBe(true);
  expect(matches(event('jobs.x'), { kind: 'job' })).toBe(false);
});

test('a subject is an id or a name', () => {
  expect(matches(event('job.failed', 'resize'), { subject: 'resi' })).toBe(true);
  expect(matches(event('job.failed', 'resize'), { subject: 'j-1' })).toBe(true);
  expect(matches(event('job.failed', 'resize'), { subject: 'x', project: 'web' })).toBe(false);
  expect(matches(event('job.failed'), { project: 'other' })).toBe(false);
});

test('an address says what is shown', () => {
  expect(readFilter({ kind: 'job', subject: 17, project: '', more: 'x' })).toEqual({ kind: 'job', subject: '17' });
});

test('kinds to choose from', () => {
  expect(kindsOf([event('job.failed'), event('job.queued'), event('node.ready')], 'app')).toEqual([
    'app',
    'job',
    'job.failed',
    'job.queued',
    'node',
    'node.ready',
  ]);
});
