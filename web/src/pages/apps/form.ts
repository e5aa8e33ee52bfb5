// Form: an app from what is filled in, and what is filled in from an app. Pure.
import type { Schemas, Spec } from '../../api/client';
import { joinPairs, linesOf, numberIn, pairsOf } from '../../lib/fields';
import { commandText, shellQuote } from '../../lib/shell';
import { nameFault } from './names';

type AppBody = Schemas['AppBody'];
type BuildBody = Schemas['BuildBody'];

export type From = 'image' | 'files' | 'git';
export type HealthKind = '' | 'http' | 'tcp' | 'exec' | 'none';

export interface Form {
  from: From;
  name: string;
  image: string;
  git: string;
  port: string;
  command: string;
  env: string; // a line each
  min: string;
  max: string;
  requests: string; // a second and replica
  cpu: string; // per cent
  cores: string;
  memory: string; // MiB
  health: HealthKind;
  probe: string; // the path or the command
  domains: string; // a line each
  order: '' | 'stop-first';
  deadline: string; // seconds
  canary: string; // replicas
  gpus: string;
  concurrency: string; // requests under way
  ram: string; // per cent of the memory
  idle: string; // seconds
  every: string; // of the health check, seconds, as the two below
  patience: string;
  failures: string;
  batch: string;
  settling: string; // seconds
  drain: string;
  grace: string;
  share: string; // of the canary, per cent
  rollback: '' | 'off';
  release: string; // command before anything is replaced
  redirect: '' | 'yes';
  maintenance: '' | 'yes';
  constraints: string; // a line each
  labels: string;
  project: string;
  folder: string;
  dockerfile: string;
  target: string;
  platform: string;
  args: string; // a line each
  tags: string;
  secrets: readonly Secret[];
  cache: '' | 'no';
  buildCores: string;
  buildMemory: string;
  buildGpus: string;
  buildDisk: string;
  buildTimeout: string;
  buildPriority: string;
  buildRetries: string;
  buildNode: string;
  buildConstraints: string;
  buildLabels: string;
}

export interface Secret {
  id: string;
  value: string;
}
/** The fields of text. */
export type TextField = Exclude<
  keyof Form,
  'from' | 'health' | 'order' | 'rollback' | 'redirect' | 'maintenance' | 'cache' | 'secrets'
>;

export const EMPTY: Form = {
  from: 'image',
  name: '',
  image: '',
  git: '',
  port: '',
  command: '',
  env: '',
  min: '',
  max: '',
  requests: '',
  cpu: '',
  cores: '',
  memory: '',
  health: '',
  probe: '',
  domains: '',
  order: '',
  deadline: '',
  canary: '',
  gpus: '',
  concurrency: '',
  ram: '',
  idle: '',
  every: '',
  patience: '',
  failures: '',
  batch: '',
  settling: '',
  drain: '',
  grace: '',
  share: '',
  rollback: '',
  release: '',
  redirect: '',
  maintenance: '',
  constraints: '',
  labels: '',
  project: '',
  folder: '',
  dockerfile: '',
  target: '',
  platform: '',
  args: '',
  tags: '',
  secrets: [],
  cache: '',
  buildCores: '',
  buildMemory: '',
  buildGpus: '',
  buildDisk: '',
  buildTimeout: '',
  buildPriority: '',
  buildRetries: '',
  buildNode: '',
  buildConstraints: '',
  buildLabels: '',
};

export type FormFaults = Partial<Record<keyof Form | 'file', string | undefined>>;

/** Stands for the image that a build will make, where the rest is checked before it. */
export const NOT_BUILT = 'draas.invalid/not-built-yet';
/** Labels of an app: what made its image, and of what. The command line sets the same. */
export const BUILD_LABEL = 'draas.build';
export const SOURCE_LABEL = 'draas.source';

/** Numbers of a form; those that are none are told in `faults`. */
function numbersOf(form: Form, faults: FormFaults) {
  return (field: TextField): number | undefined => {
    const value = numberIn(form[field]);
    if (value === null) faults[field] = 'This is no number.';
    return value ?? undefined;
  };
}

/** Pairs of a form. */
function allPairsOf(form: Form, faults: FormFaults) {
  return (field: TextField): Record<string, string> => {
    const { pairs, fault } = pairsOf(form[field]);
    if (fault !== undefined) faults[field] = fault;
    return pairs;
  };
}

/** What is said of `all`; undefined where nothing is. */
function said<T extends object>(all: { [K in keyof T]: T[K] | undefined }): T | undefined {
  const found = Object.entries(all).filter(([, value]) => value !== undefined && value !== null);
  return found.length > 0 ? (Object.fromEntries(found) as T) : undefined;
}

/** The command in a field: as it was where it has not been changed. */
const commandIn = (text: string, old: string | string[] | null | undefined): string | string[] | undefined =>
  text.trim() === '' ? undefined : old != null && commandText(old) === text ? old : text.trim();

/** The app that a form describes; what it does not speak of stays as in `base`, the app that is there. */
export function appOf(form: Form, base?: Spec): { body: AppBody; faults: FormFaults } {
  const faults: FormFaults = {};
  const number = numbersOf(form, faults);
  const pairs = allPairsOf(form, faults);
  const wrong = nameFault(form.name.trim());
  if (wrong !== undefined) faults.name = wrong;
  if (form.from === 'image' && form.image.trim() === '') faults.image = 'Say which image runs.';
  if (form.from === 'git' && form.git.trim() === '') faults.git = 'Say where the repository is.';

  const min = number('min');
  const max = number('max');
  if (min !== undefined && max !== undefined && max < min) faults.max = 'Less than the least.';
  const env = { ...(base === undefined ? {} : manyLines(base.env)), ...pairs('env') };
  const labels = pairs('labels');
  const targets = said({
    requests_per_s: number('requests'),
    concurrency: number('concurrency'),
    cpu_percent: number('cpu'),
    memory_percent: number('ram'),
  });
  const idle = number('idle');
  const health = healthOf(form, number);
  if ((form.health === 'http' || form.health === 'exec') && form.probe.trim() === '') {
    faults.probe = form.health === 'http' ? 'Say which path.' : 'Say which command.';
  }
  const domains = linesOf(form.domains.replaceAll(',', '\n'));
  const canary = number('canary');
  const share = number('share');
  if (share !== undefined && !canary) faults.canary = 'Say how many replicas it has.';
  const deploy = said<Record<string, unknown>>({
    order: form.order || undefined,
    rollback: form.rollback || undefined,
    batch: number('batch'),
    healthy_after_s: number('settling'),
    deadline_s: number('deadline'),
    drain_s: number('drain'),
    canary: canary ? said({ replicas: canary, share_percent: share }) : undefined,
  });
  const body = said<AppBody>({
    image: form.from === 'image' ? form.image.trim() : NOT_BUILT,
    port: number('port'),
    command: commandIn(form.command, base?.command),
    env: Object.keys(env).length > 0 ? env : undefined,
    replicas: min !== undefined || max !== undefined ? { min: min ?? 1, max: max ?? Math.max(1, min ?? 1) } : undefined,
    autoscale: targets || idle !== undefined ? { ...targets, ...said({ idle_s: idle }) } : undefined,
    resources: said({ cpu_cores: number('cores'), memory_mb: number('memory'), gpus: number('gpus') }),
    health,
    domains: domains.length > 0 ? domains : undefined,
    deploy: deploy as AppBody['deploy'],
    release_command: commandIn(form.release, base?.release_command),
    constraints: form.constraints.trim() ? linesOf(form.constraints) : undefined,
    labels: Object.keys(labels).length > 0 ? labels : undefined,
    https: form.redirect === 'yes' ? { redirect: true } : undefined,
    maintenance: form.maintenance === 'yes' ? true : undefined,
    stop_grace_s: number('grace'),
    secrets: base?.secrets.length ? base.secrets : undefined,
  } as { [K in keyof AppBody]: AppBody[K] | undefined })!;
  return { body, faults };
}

/** Values of several lines, which a field of lines cannot show: they stay as they are. */
const manyLines = (env: Record<string, string>) =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value.includes('\n')));

function healthOf(form: Form, number: (field: TextField) => number | undefined): AppBody['health'] | undefined {
  const times = said({ every_s: number('every'), timeout_s: number('patience'), failures: number('failures') });
  if (form.health === '') return times;
  const value = form.health === 'http' || form.health === 'exec' ? form.probe.trim() : true;
  return { ...times, [form.health]: value };
}

/** The form that makes `spec` again. */
export function formOf(name: string, spec: Spec): Form {
  const text = (value: unknown) => (value == null ? '' : String(value));
  const { health, deploy } = spec;
  const kind = (['http', 'exec', 'tcp', 'none'] as const).find((one) => one in health);
  const isUsual = (kind === 'tcp' && spec.port !== null) || (kind === 'none' && spec.port === null);
  const canary = deploy.canary as { replicas: number; share_percent: number } | null;
  const labels = Object.entries(spec.labels).filter(([name]) => name !== BUILD_LABEL && name !== SOURCE_LABEL);
  return {
    ...EMPTY,
    name,
    image: spec.image,
    port: text(spec.port),
    command: spec.command === null ? '' : commandText(spec.command),
    env: joinPairs(Object.fromEntries(Object.entries(spec.env).filter(([, value]) => !value.includes('\n')))),
    min: text(spec.replicas.min),
    max: text(spec.replicas.max),
    requests: text(spec.autoscale?.requests_per_s),
    cpu: text(spec.autoscale?.cpu_percent),
    cores: text(spec.resources.cpu_cores),
    memory: text(spec.resources.memory_mb),
    health: isUsual || kind === undefined ? '' : kind,
    probe: kind === 'http' ? text(health.http) : kind === 'exec' ? commandText(health.exec as string[]) : '',
    domains: spec.domains.join('\n'),
    order: deploy.order === 'stop-first' ? 'stop-first' : '',
    deadline: text(deploy.deadline_s),
    canary: canary === null ? '' : text(canary.replicas),
    share: canary?.share_percent ? text(canary.share_percent) : '',
    gpus: spec.resources.gpus ? text(spec.resources.gpus) : '',
    concurrency: text(spec.autoscale?.concurrency),
    ram: text(spec.autoscale?.memory_percent),
    idle: text(spec.autoscale?.idle_s),
    every: text(health.every_s),
    patience: text(health.timeout_s),
    failures: text(health.failures),
    batch: text(deploy.batch),
    settling: text(deploy.healthy_after_s),
    drain: text(deploy.drain_s),
    rollback: deploy.rollback === 'off' ? 'off' : '',
    grace: text(spec.stop_grace_s),
    release: spec.release_command === null ? '' : commandText(spec.release_command),
    redirect: spec.https?.redirect ? 'yes' : '',
    maintenance: spec.maintenance ? 'yes' : '',
    constraints: spec.constraints.join('\n'),
    labels: joinPairs(Object.fromEntries(labels)),
  };
}

/** The build of a form's source. */
export function buildOf(form: Form): { body: BuildBody; faults: FormFaults } {
  const faults: FormFaults = {};
  const number = numbersOf(form, faults);
  const pairs = allPairsOf(form, faults);
  const args = pairs('args');
  const labels = pairs('buildLabels');
  const secrets = form.secrets.filter(({ id, value }) => id.trim() !== '' || value !== '');
  const ids = secrets.map(({ id }) => id.trim());
  if (ids.includes('')) faults.secrets = 'Each has an id.';
  if (new Set(ids).size < ids.length) faults.secrets = 'Two have the same id.';
  const lines = (text: string) => (text.trim() ? linesOf(text.replaceAll(',', '\n')) : undefined);
  const body = said<BuildBody>({
    name: form.name.trim(),
    git: form.from === 'git' ? form.git.trim() : undefined,
    folder: form.folder.trim() || undefined,
    dockerfile: form.dockerfile.trim() || undefined,
    target: form.target.trim() || undefined,
    platform: form.platform.trim() || undefined,
    args: Object.keys(args).length > 0 ? args : undefined,
    tags: lines(form.tags),
    secrets: ids.length > 0 ? Object.fromEntries(secrets.map(({ id, value }) => [id.trim(), value])) : undefined,
    cache: form.cache === 'no' ? false : undefined,
    resources: said({
      cpu_cores: number('buildCores'),
      memory_mb: number('buildMemory'),
      gpus: number('buildGpus'),
    }),
    disk_mb: number('buildDisk'),
    timeout_s: number('buildTimeout'),
    priority: number('buildPriority'),
    retries: number('buildRetries'),
    node: form.buildNode.trim() || undefined,
    constraints: form.buildConstraints.trim() ? linesOf(form.buildConstraints) : undefined,
    labels: Object.keys(labels).length > 0 ? labels : undefined,
  } as { [K in keyof BuildBody]: BuildBody[K] | undefined })!;
  return { body, faults };
}

interface Built {
  id: string;
  image: string | null;
  port: number | null;
  source: { digest: string } | null;
  git: string | null;
}

/** The app with the image of a build, which is said in its labels, and with the port that was found where none was given. */
export function afterBuild(body: AppBody, build: Built): AppBody {
  const source = build.source?.digest ?? build.git ?? '';
  const servesNothing = body.health === 'none' || (typeof body.health === 'object' && body.health?.none);
  const found = body.port == null && build.port !== null && !servesNothing ? { port: build.port } : {};
  return {
    ...body,
    ...found,
    image: build.image ?? body.image ?? '',
    labels: { ...body.labels, [BUILD_LABEL]: build.id, [SOURCE_LABEL]: source },
  };
}

const BUILD_FIELDS: Record<string, keyof Form> = {
  git: 'git',
  folder: 'folder',
  dockerfile: 'dockerfile',
  target: 'target',
  platform: 'platform',
  args: 'args',
  tags: 'tags',
  secrets: 'secrets',
  'resources.cpu_cores': 'buildCores',
  'resources.memory_mb': 'buildMemory',
  'resources.gpus': 'buildGpus',
  disk_mb: 'buildDisk',
  timeout_s: 'buildTimeout',
  priority: 'buildPriority',
  retries: 'buildRetries',
  node: 'buildNode',
  constraints: 'buildConstraints',
  labels: 'buildLabels',
  name: 'name',
};
const APP_FIELDS: Record<string, keyof Form> = {
  app: 'name',
  name: 'name',
  project: 'project',
  image: 'image',
  port: 'port',
  command: 'command',
  env: 'env',
  'replicas.min': 'min',
  'replicas.max': 'max',
  replicas: 'min',
  'autoscale.requests_per_s': 'requests',
  'autoscale.concurrency': 'concurrency',
  'autoscale.cpu_percent': 'cpu',
  'autoscale.memory_percent': 'ram',
  'autoscale.idle_s': 'idle',
  autoscale: 'requests',
  'resources.cpu_cores': 'cores',
  'resources.memory_mb': 'memory',
  'resources.gpus': 'gpus',
  'health.every_s': 'every',
  'health.timeout_s': 'patience',
  'health.failures': 'failures',
  health: 'probe',
  domains: 'domains',
  'deploy.batch': 'batch',
  'deploy.healthy_after_s': 'settling',
  'deploy.deadline_s': 'deadline',
  'deploy.drain_s': 'drain',
  'deploy.canary.share_percent': 'share',
  'deploy.canary': 'canary',
  release_command: 'release',
  constraints: 'constraints',
  labels: 'labels',
  stop_grace_s: 'grace',
};

/** The field of the form at which a fault of the API is told, by its path; `of`: whose fields these are. */
export function fieldOf(path: string, of: 'app' | 'build' = 'app'): keyof Form | undefined {
  const fields = of === 'app' ? APP_FIELDS : BUILD_FIELDS;
  for (let bare = path.replace(/^spec\./, ''); bare !== ''; bare = bare.replace(/([.[][^.[]*|^[^.[]*)$/, '')) {
    if (fields[bare] !== undefined) return fields[bare];
  }
  return undefined;
}

const PLAIN = new Set<keyof Form>(['from', 'name', 'image', 'git', 'port', 'min']);

/** Whether a field is folded away until somebody wants it. */
export const isAdvanced = (field: string): boolean => field !== 'file' && !PLAIN.has(field as keyof Form);

/** The command that deploys what the form says. `file`: what was chosen to be sent. */
export function commandOf(form: Form, file: string): string {
  const words = ['draas deploy'];
  if (form.from === 'files') words.push(shellQuote(file || './FOLDER'));
  if (form.from === 'git') words.push(shellQuote(form.git || 'GIT-URL'));
  if (form.from === 'image') words.push(`--image ${shellQuote(form.image || 'IMAGE')}`);
  if (form.name) words.push(`--name ${shellQuote(form.name)}`);
  if (form.port) words.push(`--port ${shellQuote(form.port)}`);
  if (form.min)
    words.push(`--replicas ${shellQuote(form.max && form.max !== form.min ? `${form.min}..${form.max}` : form.min)}`);
  for (const line of linesOf(form.env)) words.push(`--env ${shellQuote(line)}`);
  for (const domain of linesOf(form.domains.replaceAll(',', '\n'))) words.push(`--domain ${shellQuote(domain)}`);
  if (form.cores) words.push(`--cpu ${shellQuote(form.cores)}`);
  if (form.memory) words.push(`--memory ${shellQuote(`${form.memory}m`)}`);
  if (form.health === 'tcp' || form.health === 'none') words.push(`--health ${form.health}`);
  if (form.health === 'http' && form.probe) words.push(`--health ${shellQuote(form.probe)}`);
  if (form.health === 'exec' && form.probe) words.push(`--health ${shellQuote(`exec:${form.probe}`)}`);
  if (form.command) words.push(`--command ${shellQuote(form.command)}`);
  if (form.from !== 'image') {
    for (const line of linesOf(form.args)) words.push(`--build-arg ${shellQuote(line)}`);
    for (const { id } of form.secrets) if (id) words.push(`--build-secret ${shellQuote(`${id}=FILE`)}`);
    if (form.dockerfile) words.push(`--dockerfile ${shellQuote(form.dockerfile)}`);
    if (form.target) words.push(`--target ${shellQuote(form.target)}`);
    if (form.platform) words.push(`--platform ${shellQuote(form.platform)}`);
    if (form.cache === 'no') words.push('--no-cache');
  }
  if (form.project) words.push(`--project ${shellQuote(form.project)}`);
  return words.join(' ');
}
