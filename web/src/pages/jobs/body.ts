// Body: a job from the words of a form, and the words from a job. Pure.
import type { JobSummary, Schemas } from '../../api/client';
import { joinPairs, linesOf, numberIn, pairsOf } from '../../lib/fields';
import { commandText } from '../../lib/shell';

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
  const body: JobBody = { command: form.command };
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
  return { body, faults };
}

/** The form that submits `job` again. */
export function formOf(job: JobSummary): Form {
  return {
    command: commandText(job.command),
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
};

/** The field of the form at which a fault of the API is told, by its path. */
export function fieldOf(path: string): keyof Form | undefined {
  return FIELDS[path] ?? (['env', 'labels', 'constraints'] as const).find((field) => path.startsWith(field));
}
