import { expect, test } from 'vitest';
import type { JobSummary } from '../../api/client';
import { bodyOf, EMPTY, formOf, commandOf as submitCommandOf } from './body';
import { commandOf, matches, queryOf, readFilter } from './filter';
import { append, refresh, replace } from './pages';

const job = (id: string, more: object = {}) =>
  ({ id, state: 'queued', name: '', project: 'default', labels: {}, ...more }) as JobSummary;
const page = (ids: string[], next: string | null, total = 99) => ({ items: ids.map((id) => job(id)), next, total });
const ids = (loaded: { items: JobSummary[] }) => loaded.items.map((one) => one.id);

test('a filter is read from an address, and what means nothing is left out', () => {
  expect(readFilter({ state: 'failed', name: 'a b', node: 7, label: 'x', other: 1 })).toEqual({
    state: 'failed',
    name: 'a b',
    node: '7',
  });
  expect(readFilter({ state: 'broken', label: 'a=b=c' })).toEqual({ label: 'a=b=c' });
});

test('it is told to the API and to the command line', () => {
  const filter = { state: 'failed', label: 'team=a b' } as const;
  expect(queryOf(filter)).toEqual({ state: 'failed', label: ['team=a b'] });
  expect(commandOf(filter)).toBe("draas jobs list --state failed --label 'team=a b'");
  expect(commandOf({})).toBe('draas jobs list');
});

test('and applied to a single job', () => {
  const one = job('j', { state: 'failed', labels: { team: 'a=b' } });
  expect(matches(one, { state: 'failed', label: 'team=a=b' })).toBe(true);
  expect(matches(one, { label: 'team=a' })).toBe(false);
  expect(matches(one, { state: 'queued' })).toBe(false);
  expect(matches(one, { name: 'x' })).toBe(false);
});

test('pages are put one below the other', () => {
  const loaded = append(page(['5', '4'], '4'), page(['4', '3'], '3'));
  expect(ids(loaded)).toEqual(['5', '4', '3']);
  expect(loaded.next).toBe('3');
});

test('the first page comes again: new jobs above, what is below stays', () => {
  const loaded = refresh(page(['4', '3', '2', '1'], '1'), page(['6', '5', '4', '3'], '3'));
  expect(ids(loaded)).toEqual(['6', '5', '4', '3', '2', '1']);
  expect(loaded.next).toBe('1');
});

test('a job that has gone from the first page is gone', () => {
  expect(ids(refresh(page(['4', '3', '2', '1'], '1'), page(['4', '2'], '2')))).toEqual(['4', '2', '1']);
});

test('where more than a page has come, the list begins anew instead of having a gap', () => {
  const loaded = refresh(page(['2', '1'], null), page(['9', '8'], '8'));
  expect(ids(loaded)).toEqual(['9', '8']);
  expect(loaded.next).toBe('8');
});

test('a list that is shorter than a page is what the page says', () => {
  expect(ids(refresh(page(['3', '2', '1'], null), page(['3'], null)))).toEqual(['3']);
  expect(ids(refresh(page(['3'], null), page([], null)))).toEqual([]);
});

test('single jobs are replaced or leave', () => {
  const loaded = replace(
    page(['3', '2', '1'], null),
    new Map([
      ['2', job('2', { state: 'running' })],
      ['1', null],
      ['9', null],
    ]),
  );
  expect(loaded.items.map((one) => [one.id, one.state])).toEqual([
    ['3', 'queued'],
    ['2', 'running'],
  ]);
});

test('a form says only what was filled in', () => {
  expect(bodyOf({ ...EMPTY, command: 'echo hi' })).toEqual({ body: { command: 'echo hi' }, faults: {} });
  expect(
    bodyOf({
      ...EMPTY,
      command: 'x',
      runtime: 'process',
      cores: '0.5',
      memory: '64',
      env: 'A=1\n\nB=x=y',
      labels: 'team=a',
      retries: '2',
      timeout: '90',
    }).body,
  ).toEqual({
    command: 'x',
    runtime: 'process',
    resources: { cpu_cores: 0.5, memory_mb: 64 },
    env: { A: '1', B: 'x=y' },
    labels: { team: 'a' },
    retries: 2,
    timeout_s: 90,
  });
});

test('what cannot be is told at its field', () => {
  expect(bodyOf({ ...EMPTY, command: ' ', cores: 'many', env: 'A' }).faults).toEqual({
    command: 'Say what to run.',
    cores: 'This is no number.',
    env: '"A" is not NAME=VALUE.',
  });
});

test('a job fills the form that makes it again', () => {
  const made = formOf(
    job('j', {
      name: 'n',
      command: ['echo', 'a b'],
      image: 'busybox',
      runtime: 'docker',
      resources: { cpu_cores: 2, memory_mb: 64, gpus: 0 },
      env: { A: '1' },
      priority: 70,
      retries: 1,
      timeout_s: 5,
      constraints: ['node.arch == amd64'],
      exclusive: true,
      labels: { x: 'y' },
    }),
  );
  expect(bodyOf(made).body).toMatchObject({
    name: 'n',
    command: ['echo', 'a b'],
    image: 'busybox',
    resources: { cpu_cores: 2, memory_mb: 64 },
    env: { A: '1' },
    priority: 70,
    retries: 1,
    timeout_s: 5,
    constraints: ['node.arch == amd64'],
    exclusive: true,
    labels: { x: 'y' },
  });
});

test('what a job waits for, where it runs, and words that no shell sees', () => {
  const form = { ...EMPTY, command: 'echo\na b', isWords: true, needs: 'j-1, j-2', node: 'alpha', project: 'red' };
  expect(bodyOf(form).body).toEqual({ command: ['echo', 'a b'], needs: ['j-1', 'j-2'], node: 'alpha' });
  expect(submitCommandOf({ ...form, env: 'A=b c' })).toBe(
    "draas run --detach --env 'A=b c' --needs j-1 --needs j-2 --node alpha --project red -- echo 'a b'",
  );
});
