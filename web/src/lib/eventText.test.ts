import { expect, test } from 'vitest';
import { eventDetail, eventSubject } from './eventText';

test('an event in words', () => {
  const event = {
    kind: 'job.failed',
    subject: 'j-1',
    detail: { name: 'resize', exit_code: 3, node: 'vm', reason: '', oom: true },
  };
  expect(eventSubject(event)).toBe('resize');
  expect(eventDetail(event)).toBe('exit code 3, node vm, oom');
});

test('without a name it is the id', () => {
  expect(eventSubject({ kind: 'job.failed', subject: 'j-1', detail: { name: '' } })).toBe('j-1');
});
