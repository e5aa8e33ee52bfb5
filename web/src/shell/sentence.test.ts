import { expect, test } from 'vitest';
import { clusterSentence } from './sentence';

const NONE = { waiting: 0, queued: 0, running: 0, failed: 0, succeeded: 0 };
const machine = (name: string, state = 'ready') => ({ name, state });
const app = (name: string, state = 'live', reason = '') => ({ name, state, reason });

test('nothing there yet', () => {
  expect(clusterSentence([], [], NONE)).toMatchObject({ tone: 'wait', text: 'No machine yet.', to: '/machines' });
});

test('all is well', () => {
  const told = clusterSentence([machine('a'), machine('b'), machine('c')], [app('x'), app('y')], {
    ...NONE,
    running: 4,
  });
  expect(told).toEqual({ tone: 'good', text: '3 machines, 2 apps, 4 jobs running, all healthy.' });
});

test('one of each, and what waits', () => {
  const told = clusterSentence([machine('a')], [app('x', 'deploying')], { ...NONE, running: 1, queued: 1200 });
  expect(told.text).toBe('1 machine, 1 app, 1 job running, 1,200 queued, 1 deployment under way.');
});

test.each([
  [[machine('a', 'down')], [], { ...NONE, queued: 2 }, 'No machine can be reached; 2 jobs wait.'],
  [[machine('a', 'draining'), machine('b', 'down')], [], NONE, 'No machine takes new work.'],
  [[machine('a'), machine('b', 'down')], [], NONE, 'Machine b is down.'],
  [[machine('a'), machine('b', 'down'), machine('c', 'disconnected')], [], NONE, '2 of 3 machines are away.'],
  [[machine('a'), machine('b', 'down')], [app('shop', 'degraded')], NONE, 'App shop is degraded.'],
])('the top problem comes first', (machines, apps, jobs, text) => {
  expect(clusterSentence(machines, apps, jobs)).toMatchObject({ tone: 'bad', text });
});

test('a broken app tells its own reason', () => {
  const told = clusterSentence([machine('a')], [app('shop', 'failed', 'the image does not exist')], NONE);
  expect(told.remedy).toBe('the image does not exist');
});

test('machines that have left do not count, draining ones are told', () => {
  const told = clusterSentence([machine('a'), machine('b', 'left'), machine('c', 'draining')], [], NONE);
  expect(told.text).toBe('2 machines, no job running, 1 draining, all healthy.');
});
