import { expect, test } from 'vitest';
import { whereToLook } from './whereToLook';

test.each([
  ['machines', '', '/machines'],
  ['machine', 'node-1', '/machines/node-1'],
  ['controller', '', '/settings'],
  ['app', 'shop', '/apps/shop'],
  ['job', 'j-1', '/jobs/j-1'],
  ['build', 'b/1', '/builds/b%2F1'],
  ['something newer', '', '/machines'],
])('a problem about %s %s is looked at on %s', (kind, subject, page) => {
  expect(whereToLook({ kind, subject })).toBe(page);
});
