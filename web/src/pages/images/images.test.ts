import { expect, test } from 'vitest';
import { exactName, nameToRun, pathOf, removalKind, shortDigest } from './words';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

test('names of an image', () => {
  const image = { repository: 'default/shop', digest: DIGEST, tags: ['v2', 'v1'] };
  expect(exactName(image)).toBe(`default/shop@${DIGEST}`);
  expect(nameToRun(image)).toBe('draas.internal/default/shop:v2');
  expect(nameToRun({ ...image, tags: [] })).toBe(`draas.internal/default/shop@${DIGEST}`);
  expect(shortDigest(DIGEST)).toBe('sha256:a1a1a1a1a1a1');
});

test('a path keeps its slashes and nothing else', () => {
  expect(pathOf('default/shop:v 1?#')).toBe('default/shop%3Av%201%3F%23');
});

test('what is removed has a word', () => {
  expect(removalKind({ kind: 'manifest' })).toBe('image');
  expect(removalKind({ kind: 'else' })).toBe('else');
});
