import { expect, test } from 'vitest';
import { safeNext } from './next';

test('paths of ours', () => {
  expect(safeNext('/jobs?state=failed#end')).toBe('/jobs?state=failed#end');
  expect(safeNext('/machines/a%20b')).toBe('/machines/a%20b');
});

test.each([
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  'https://evil.example',
  'javascript:alert(1)',
  '',
  null,
  7,
  '/sign-in',
])('nowhere else: %s', (given) => {
  expect(safeNext(given)).toBeUndefined();
});
