import { expect, test } from 'vitest';
import { may } from './may';

test.each([
  ['viewer', null, [true, false, false]],
  ['deployer', null, [true, true, false]],
  ['admin', null, [true, true, true]],
  ['admin', 'shop', [true, true, false]],
  [null, null, [false, false, false]],
])('a key of role %s for project %s', (role, project, allowed) => {
  const rights = (['view', 'deploy', 'administer'] as const).map((right) => may({ role, project }, right));
  expect(rights).toEqual(allowed);
});

test('nobody may anything before it is known who asks', () => {
  expect(may(undefined, 'view')).toBe(false);
});
