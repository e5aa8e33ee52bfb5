import { describe, expect, it } from 'vitest';
import { lastKnown, linesOf, withHoles } from './data';
import { asFigure, asMs, rangeOf, readRange, sinceOf, tickText } from './ranges';

describe('ranges', () => {
  it('are in the address, but for the usual one', () => {
    expect(['24h', '7d', '5w'].map(readRange)).toEqual(['24h', '7d', '5w']);
    expect(['1h', 'x', 7, undefined].map(readRange)).toEqual([undefined, undefined, undefined, undefined]);
    expect(rangeOf(undefined).seconds).toBe(3600);
    expect(sinceOf(rangeOf('5w'))).toBe('3024000s');
  });
  it('have ticks by the hour, and by the day where a day begins', () => {
    const noon = new Date(2026, 10, 25, 12, 5).getTime() / 1000;
    const midnight = new Date(2026, 10, 26).getTime() / 1000;
    expect([tickText(noon, 300), tickText(midnight, 3600), tickText(noon, 86_400)]).toEqual([
      '12:05',
      '26 Nov',
      '25 Nov',
    ]);
  });
});

describe('figures', () => {
  it('have three places', () => {
    expect([0, 0.054, 3, 12.34, 1234.5].map(asFigure)).toEqual(['0', '0.05', '3', '12.3', '1,235']);
    expect([3.21, 999, 1500].map(asMs)).toEqual(['3.21 ms', '999 ms', '1.5 s']);
  });
});

describe('data', () => {
  it('has a hole where nothing was measured', () => {
    expect(withHoles([0, 10, 400], [[1, 2, 3]], 10)).toEqual({ times: [0, 10, 20, 400], columns: [[1, 2, null, 3]] });
    expect(withHoles([0, 60, 120], [[1, null, 3]], 10).columns).toEqual([[1, null, 3]]);
    expect(withHoles([], [[]], 10)).toEqual({ times: [], columns: [[]] });
  });
  it('has a last known value', () => {
    expect([lastKnown([1, 0, null]), lastKnown([null]), lastKnown([])]).toEqual([0, null, null]);
  });
});

describe('marks', () => {
  it('do not cover each other', () => {
    expect(linesOf([0, 10, 15, 100], 20, 3)).toEqual([0, 1, 2, 0]);
    expect(linesOf([0, 1, 2], 20, 2)).toEqual([0, 1, 0]);
  });
});
