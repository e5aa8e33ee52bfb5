import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { paced } from './paced';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('the first time at once, then at most so often, however often it is asked for', async () => {
  let done = 0;
  const work = paced(250, () => void done++);
  for (let ms = 0; ms < 900; ms += 10) {
    work.ask();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(done).toBe(4);
  await vi.advanceTimersByTimeAsync(1000);
  expect(done).toBe(5);
});

test('work that takes longer is not begun again before it has ended, and then it is', async () => {
  const ends: (() => void)[] = [];
  const work = paced(250, () => new Promise<void>((resolve) => ends.push(resolve)));
  work.ask();
  await vi.advanceTimersByTimeAsync(0);
  work.ask();
  await vi.advanceTimersByTimeAsync(1000);
  expect(ends).toHaveLength(1);
  ends[0]!();
  await vi.advanceTimersByTimeAsync(0);
  expect(ends).toHaveLength(2);
});

test('what was stopped is not done', async () => {
  let done = 0;
  const work = paced(250, () => void done++);
  work.ask();
  work.stop();
  await vi.advanceTimersByTimeAsync(1000);
  expect(done).toBe(0);
});
