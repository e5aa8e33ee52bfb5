import { expect, test } from 'vitest';
import { needsOf, placesOf } from './dag';

const job = (id: string, ...needs: string[]) => ({ id, needs });

test('each job is to the right of all that it needs', () => {
  const places = placesOf([job('d', 'b', 'c'), job('b', 'a'), job('c', 'b', 'a'), job('a'), job('e')]);
  expect(places).toEqual([
    { id: 'd', column: 3, row: 0 },
    { id: 'b', column: 1, row: 0 },
    { id: 'c', column: 2, row: 0 },
    { id: 'a', column: 0, row: 0 },
    { id: 'e', column: 0, row: 1 },
  ]);
});

test('what needs itself is drawn all the same', () => {
  expect(placesOf([job('a', 'b'), job('b', 'a')])).toHaveLength(2);
});

test('all that is needed is found, or named', () => {
  const all = [job('d', 'b', 'gone'), job('b', 'a'), job('a')];
  const known = new Map(all.map((one) => [one.id, one]));
  const [found, unknown] = needsOf(all[0]!, known, 100);
  expect(found.map((one) => one.id)).toEqual(['d', 'b', 'a']);
  expect(unknown).toEqual(['gone']);
  expect(needsOf(all[0]!, known, 2)[0]).toHaveLength(2);
});
