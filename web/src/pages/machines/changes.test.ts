import { expect, test } from 'vitest';
import { changedLabels } from './changes';

test('only what differs is changed', () => {
  expect(changedLabels({ disk: 'ssd', zone: 'a', old: '' }, { disk: 'ssd', zone: 'b', new: '1' })).toEqual({
    zone: 'b',
    new: '1',
    old: null,
  });
  expect(changedLabels({ disk: 'ssd' }, { disk: 'ssd' })).toEqual({});
});
