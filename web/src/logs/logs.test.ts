import { describe, expect, it } from 'vitest';
import { anchorOf, parseAnchor } from './anchor';
import { BLOCK, Blocks } from './blocks';
import { indentJson, looksLikeJson } from './json';
import { levelOf } from './level';
import { cutBy, markable, marksIn } from './marks';
import { nextHit, pick } from './picked';
import { drawn, innerPx, scrollTo, TALLEST_PX } from './viewport';

describe('levelOf', () => {
  it.each([
    ['2026-01-31 09:05:00 ERROR cannot open', 'error'],
    ['[warn]: slow', 'warn'],
    ['WARNING: slow', 'warn'],
    ['warning: unused variable', 'warn'],
    ['{"level":"error","msg":"x"}', 'error'],
    ['{"level":30,"msg":"ERROR is a word"}', 'info'],
    ['ts=1 level=debug msg="x"', 'debug'],
    ['E0131 09:05:00.1 main.go:1] x', 'error'],
    ['INFO no ERROR so far', 'info'],
    ['the terror of WARNINGS', null],
    ['', null],
  ])('%s', (text, level) => {
    expect(levelOf(text)).toBe(level);
  });
});

describe('indentJson', () => {
  it('spreads members and keeps what is written', () => {
    expect(indentJson('{"a":1.50,"b":[1,2],"c":{},"d":"x, {y}: \\"z\\"","n":12345678901234567890}')).toBe(
      '{\n  "a": 1.50,\n  "b": [\n    1,\n    2\n  ],\n  "c": {},\n  "d": "x, {y}: \\"z\\"",\n  "n": 12345678901234567890\n}',
    );
  });
  it('is for JSON alone', () => {
    expect(indentJson('{not json}')).toBeNull();
    expect(looksLikeJson('[INFO] x')).toBe(false);
    expect(looksLikeJson('{}')).toBe(false);
    expect(indentJson(`${'['.repeat(5000)}${']'.repeat(5000)}`)).not.toBeNull();
  });
});

describe('marks', () => {
  it('finds and cuts', () => {
    expect(marksIn('a bc bc', markable('b.'))).toEqual([
      [2, 4],
      [5, 7],
    ]);
    expect(marksIn('abc', markable('x*'))).toEqual([]);
    expect(marksIn('Abc', markable('(?i)a'))).toEqual([[0, 1]]);
    expect(
      cutBy(
        [
          [2, 4],
          [5, 7],
        ],
        3,
        6,
      ),
    ).toEqual([
      [3, 4, true],
      [4, 5, false],
      [5, 6, true],
    ]);
  });
  it('draws no expression that could hold the page up', () => {
    expect(markable('(a+)+$')).toBeNull();
    expect(markable('a*a*b')).toBeNull();
    expect(markable('(?P<x>a)')).toBeNull();
  });
});

describe('anchors', () => {
  it('go both ways', () => {
    expect(parseAnchor('#L123')).toEqual({ part: null, line: 123 });
    expect(parseAnchor('L2.7')).toEqual({ part: 2, line: 7 });
    expect(anchorOf({ part: 2, line: 7 })).toBe('L2.7');
    for (const wrong of ['', '#L', '#L0', '#Lx', '#L1.2.3', '#L99999999999999999999'])
      expect(parseAnchor(wrong)).toBeNull();
  });
});

describe('Blocks', () => {
  it('tells what is lacking and drops what was used longest ago', () => {
    const blocks = new Blocks<string>(2);
    blocks.put(1, 'a');
    expect(blocks.use(1, 1)).toEqual([]);
    expect(blocks.use(1, 2)).toEqual([0]);
    blocks.put(BLOCK + 1, 'b');
    expect(blocks.use(1, 1)).toEqual([]);
    blocks.put(2 * BLOCK + 1, 'c');
    expect([blocks.get(1), blocks.get(BLOCK + 1), blocks.get(2 * BLOCK + 1)]).toEqual(['a', undefined, 'c']);
    expect(blocks.size).toBe(2);
  });
});

describe('pick', () => {
  it('takes lines around each hit once', () => {
    const told = pick([3, 5, 20], 2, 21).map((one) => `${one.isAfterGap ? '…' : ''}${one.line}${one.isHit ? '!' : ''}`);
    expect(told).toEqual(['1', '2', '3!', '4', '5!', '6', '7', '…18', '19', '20!', '21']);
    expect(pick([7], 0, 9)).toEqual([{ line: 7, isHit: true, isAfterGap: true }]);
    expect(pick([], 3, 9)).toEqual([]);
  });
  it('goes on to the next and around', () => {
    expect([
      nextHit([3, 9], 3, false),
      nextHit([3, 9], 9, false),
      nextHit([3, 9], 3, true),
      nextHit([], 1, true),
    ]).toEqual([1, 0, 1, -1]);
  });
});

describe('drawn', () => {
  const million = { rows: 1_000_000, rowPx: 18, boxPx: 540 };
  it('is exact at both ends', () => {
    expect(innerPx(million)).toBe(TALLEST_PX);
    expect(drawn(million, 0)).toMatchObject({ from: 0, anchor: 0, share: 0, placePx: 0 });
    const end = drawn(million, TALLEST_PX - 540);
    expect(end).toMatchObject({ to: 1_000_000, anchor: 999_999, share: 1, placePx: 540 });
    expect(end.to - end.from).toBeLessThan(100);
  });
  it('finds any row again', () => {
    for (const at of [0, 7, 500_000, 999_990, 999_999]) {
      const { from, to } = drawn(million, scrollTo(million, at));
      expect(from <= at && at < to).toBe(true);
    }
    const few = { rows: 700, rowPx: 18, boxPx: 540 };
    const { anchor, placePx, share } = drawn(few, scrollTo(few, 300));
    expect(Math.abs((300.5 - anchor - share) * 18 + placePx - 270)).toBeLessThan(1); // in the middle
  });
  it('has something to say of nothing', () => {
    expect(drawn({ rows: 0, rowPx: 18, boxPx: 540 }, 0)).toMatchObject({ from: 0, to: 0 });
  });
});
