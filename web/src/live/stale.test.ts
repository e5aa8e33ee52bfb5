import { expect, test } from 'vitest';
import { distinct, staleBy } from './stale';

test('an event of a job makes that job stale and no other', () => {
  const keys = staleBy({ kind: 'job.running', subject: 'j-1', detail: {} });
  expect(keys).toContainEqual(['jobs', 'one', 'j-1']);
  expect(keys).not.toContainEqual(['jobs']);
});

test('what nobody knows makes the list of its noun stale', () => {
  expect(staleBy({ kind: 'certificate.put', subject: 'r', detail: {} })).toEqual([['certificates']]);
});

test('keys are told once', () => {
  expect(distinct([['a'], ['b', 1], ['a']])).toEqual([['a'], ['b', 1]]);
});
