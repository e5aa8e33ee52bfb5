import { expect, test } from 'vitest';
import { bestMatches } from './match';

const best = (words: string, ...labels: string[]) => bestMatches(words, labels, (label) => label);

test('beginnings of words come before middles', () => {
  expect(best('ob', 'Jobs', 'Observe', 'my-object')).toEqual(['Observe', 'my-object', 'Jobs']);
});

test('every word must fit, in any order', () => {
  expect(best('failed jobs', 'Jobs that are failed', 'Jobs that are queued')).toEqual(['Jobs that are failed']);
});

test('no words: all in their order', () => {
  expect(best('', 'b', 'a')).toEqual(['b', 'a']);
});
