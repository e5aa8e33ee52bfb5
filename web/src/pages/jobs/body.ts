// Body: a job from the words of a form, and the words from a job. Pure.
import type { JobSummary, Schemas } from '../../api/client';
import { joinPairs, linesOf, numberIn, pairsOf } from '../../lib/fields';
import { commandText, shellQuote } from '../../lib/shell';

export interface Form {
  command: string;
  name: string;
  runtime: '' | 'docker' | 'process';
  image: string;
  cores: string;
  memory: string; // MiB
  gpus: string;
  env: string; // a line each
  labels: string;
  constraints: string;
  priority: string;
  retries: string;
  timeout: string; // seconds
  exclusive: boolean;
  needs: string; // ids, a line each
  node: string;
  project: string;
  isWords: boolean; // the command is a list of words, one a line, and runs as it is
}

export const EMPTY: Form = {
  command: '',
  name: '',
  runtime: '',
  image: '',
  cores: '',
  memory: '',
  gpus: '',
  env: '',
  labels: '',
  constraints: '',
  priority: '',
  retries: '',
  timeout: '',
  exclusive: false,
  needs: '',
  node: '',
  project: '',
  isWords: false,
};

export type FormFaults = Partial<Record<keyof Form, string>>;
type JobBody = Schemas['JobBody'];

/** The job that a form describes, with what is not filled in left to the controller; and what is wrong, by field. */
export function bodyOf(form: Form): { body: JobBody; faults: FormFaults } {
  const faults: FormFaults = {};
  const number = (field: keyof Form): number | undefined => {
    const value = numberIn(String(form[field]));
    if (value === null) faults[field] = 'This is no number.';
    return value ?? undefined;
  };
  const pairs = (field: 'env' | 'labels'): Record<string, string> => {
    const { pairs: found, fault } = pairsOf(form[field]);
    if (fault !== undefined) faults[field] = fault;
    return found;
  };
  const words = form.command.split('\n');
  const body: JobBody = { command: form.isWords ? words : form.command };
  if (form.command.trim() === '') faults.command = 'Say what to run.';
  if (form.name.trim()) body.name = form.name.trim();
  if (form.runtime) body.runtime = form.runtime;
  if (form.image.trim() && form.runtime !== 'process') body.image = form.image.trim();
  const resources = { cpu_cores: number('cores'), memory_mb: number('memory'), gpus: number('gpus') };
  const asked = Object.fromEntries(Object.entries(resources).filter(([, value]) => value !== undefined));
  if (Object.keys(asked).length > 0) body.resources = asked as NonNullable<JobBody['resources']>;
  const env = pairs('env');
  const labels = pairs('labels');
  if (Object.keys(env).length > 0) body.env = env;
  if (Object.keys(labels).length > 0) body.labels = labels;
  if (linesOf(form.constraints).length > 0) body.constraints = linesOf(form.constraints);
  const priority = number('priority');
  const retries = number('retries');
  const timeout = number('timeout');
  if (priority !== undefined) body.priority = priority;
  if (retries !== undefined) body.retries = retries;
  if (timeout !== undefined) body.timeout_s = timeout;
  if (form.exclusive) body.exclusive = true;
  const needs = linesOf(form.needs.replaceAll(',', '\n'));
  if (needs.length > 0) body.needs = needs;
  if (form.node.trim()) body.node = form.node.trim();
  return { body, faults };
}

/** The form that submits `job` again. */
export function formOf(job: JobSummary): Form {
  const isWords = typeof job.command !== 'string' && job.command.every((word) => !word.includes('\n'));
  return {
    ...EMPTY,
    isWords,
    command: isWords ? (job.command as string[]).join('\n') : commandText(job.command),
    project: job.project,
    name: job.name,
    runtime: job.runtime === 'process' ? 'process' : 'docker',
    image: job.image ?? '',
    cores: String(job.resources.cpu_cores),
    memory: String(job.resources.memory_mb),
    gpus: job.resources.gpus ? String(job.resources.gpus) : '',
    env: joinPairs(job.env),
    labels: joinPairs(job.labels),
    constraints: job.constraints.join('\n'),
    priority: String(job.priority),
    retries: String(job.retries),
    timeout: job.timeout_s === null ? '' : String(job.timeout_s),
    exclusive: job.exclusive,
  };
}

const FIELDS: Record<string, keyof Form> = {
  command: 'command',
  name: 'name',
  image: 'image',
  runtime: 'runtime',
  'resources.cpu_cores': 'cores',
  'resources.memory_mb': 'memory',
  'resources.gpus': 'gpus',
  priority: 'priority',
  retries: 'retries',
  timeout_s: 'timeout',
  node: 'node',
  project: 'project',
};

/** The field of the form at which a fault of the API is told, by its path. */
export function fieldOf(path: string): keyof Form | undefined {
  return (
    FIELDS[path] ??
    (['command', 'env', 'labels', 'constraints', 'needs'] as const).find((field) => path.startsWith(field))
  );
}

/** The command that submits what the form says. */
export function commandOf(form: Form): string {
  const words = ['draas run --detach'];
  const add = (flag: string, value: string) => void (value && words.push(`${flag} ${shellQuote(value)}`));
  add('--name', form.name);
  if (form.runtime === 'process') words.push('--host');
  else add('--image', form.image);
  add('--cpu', form.cores);
  add('--memory', form.memory && `${form.memory}M`);
  add('--gpu', form.gpus);
  add('--priority', form.priority);
  add('--retries', form.retries);
  add('--timeout', form.timeout);
  for (const line of linesOf(form.env)) add('--env', line);
  for (const line of linesOf(form.labels)) add('--label', line);
  for (const line of linesOf(form.constraints)) add('--constraint', line);
  for (const id of linesOf(form.needs.replaceAll(',', '\n'))) add('--needs', id);
  add('--node', form.node);
  add('--project', form.project);
  if (form.exclusive) words.push('--exclusive');
  const command = form.isWords
    ? form.command.split('\n').map(shellQuote).join(' ')
    : `sh -c ${shellQuote(form.command || '…')}`;
  return `${words.join(' ')} -- ${command}`;
}
