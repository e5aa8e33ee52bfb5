import { expect, test } from 'vitest';
import { bytes, cores, count, percent } from './amounts';
import { commandText, shellQuote } from './shell';
import { ago, duration, span } from './time';

test.each([
  [0.0042, '4 ms'],
  [1.25, '1.3 s'],
  [45, '45 s'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [7500, '2 h 5 min'],
  [36_000, '10 h'],
  [90_000, '1 d 1 h'],
  [1_036_800, '12 d'],
])('a duration of %d s is told as %s', (seconds, told) => {
  expect(duration(seconds)).toBe(told);
});

test('times before and after now', () => {
  const now = Date.parse('2026-01-01T12:00:00Z');
  expect(ago('2026-01-01T11:59:59Z', now)).toBe('now');
  expect(ago('2026-01-01T11:55:00Z', now)).toBe('5 min ago');
  expect(ago('2026-01-01T14:00:00Z', now)).toBe('in 2 h');
  expect(span(null, null, now)).toBeNull();
  expect(span('2026-01-01T11:59:00Z', null, now)).toBe(60);
  expect(span('2026-01-01T11:59:00Z', '2026-01-01T11:59:30Z', now)).toBe(30);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '0.98 KiB'],
  [1024 ** 2, '1 MiB'],
  [1.5 * 1024 ** 3, '1.5 GiB'],
  [137.4 * 1024 ** 3, '137 GiB'],
])('%d bytes are %s', (amount, told) => {
  expect(bytes(amount)).toBe(told);
});

test('counts and shares', () => {
  expect(count(1, 'job')).toBe('1 job');
  expect(count(12_000, 'job')).toBe('12,000 jobs');
  expect(cores(2.5)).toBe('2.5 cores');
  expect(percent(1, 0)).toBe(0);
  expect(percent(30, 20)).toBe(100);
});

test.each([
  ['plain', 'plain'],
  ['a b', "'a b'"],
  ["it's", "'it'\\''s'"],
  ['', "''"],
  ['$(reboot)', "'$(reboot)'"],
])('a word for the shell: %s', (word, quoted) => {
  expect(shellQuote(word)).toBe(quoted);
});

test('a command is told as it would be typed', () => {
  expect(commandText('echo hi; ls')).toBe('echo hi; ls');
  expect(commandText(['echo', 'a b'])).toBe("echo 'a b'");
});
