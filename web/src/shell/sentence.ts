// Sentence: the state of the cluster in one true sentence, the top problem first, with its remedy. Pure.
import type { App, Machine } from '../api/client';
import type { Counts } from '../api/queries';
import { count, grouped } from '../lib/amounts';

export interface Sentence {
  tone: 'good' | 'wait' | 'bad';
  text: string;
  /** What to do about it, where there is something to do. */
  remedy?: string;
  to?: '/machines' | '/jobs' | '/apps';
}

type Seen = Pick<Machine, 'name' | 'state'>;

export function clusterSentence(
  machines: readonly Seen[],
  apps: readonly Pick<App, 'name' | 'state' | 'reason'>[],
  jobs: Counts,
): Sentence {
  const here = machines.filter((machine) => machine.state !== 'left');
  if (here.length === 0) {
    return {
      tone: 'wait',
      text: 'No machine yet.',
      remedy: 'Add one, and it runs your jobs and apps.',
      to: '/machines',
    };
  }
  const usable = here.filter((machine) => machine.state === 'ready');
  const lost = here.filter((machine) => machine.state === 'down' || machine.state === 'disconnected');
  const work = jobs.queued + jobs.waiting;
  if (usable.length === 0) {
    const text = lost.length === here.length ? 'No machine can be reached' : 'No machine takes new work';
    return {
      tone: 'bad',
      text: `${text}${work ? `; ${count(work, 'job waits', 'jobs wait')}` : ''}.`,
      remedy: lost.length > 0 ? 'Look whether the agents run.' : 'Take one back from draining.',
      to: '/machines',
    };
  }
  const broken = apps.filter((app) => app.state === 'failed' || app.state === 'degraded');
  if (broken.length > 0) {
    const first = broken[0]!;
    const text =
      broken.length === 1
        ? `App ${first.name} is ${first.state}`
        : `${broken.length} apps are not healthy, ${first.name} among them`;
    return { tone: 'bad', text: `${text}.`, ...(first.reason ? { remedy: first.reason } : {}), to: '/apps' };
  }
  if (lost.length > 0) {
    const text =
      lost.length === 1
        ? `Machine ${lost[0]!.name} is ${lost[0]!.state}`
        : `${lost.length} of ${here.length} machines are away`;
    return {
      tone: 'bad',
      text: `${text}.`,
      remedy: 'What ran there runs elsewhere; look whether the agent runs.',
      to: '/machines',
    };
  }
  const deploying = apps.filter((app) => app.state === 'deploying').length;
  const parts = [count(here.length, 'machine')];
  if (apps.length > 0) parts.push(count(apps.length, 'app'));
  parts.push(jobs.running > 0 ? `${count(jobs.running, 'job')} running` : 'no job running');
  if (jobs.queued > 0) parts.push(`${grouped(jobs.queued)} queued`);
  const draining = here.length - usable.length;
  const end = deploying > 0 ? `${count(deploying, 'deployment')} under way` : 'all healthy';
  return { tone: 'good', text: `${parts.join(', ')}${draining ? `, ${draining} draining` : ''}, ${end}.` };
}
