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
  folder: string;
  dockerfile: string;
  args: string; // a line each
}

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
  folder: '',
  dockerfile: '',
  args: '',
};

export type FormFaults = Partial<Record<keyof Form | 'file', string | undefined>>;

/** Stands for the image that a build will make, where the rest is checked before it. */
export const NOT_BUILT = 'draas.invalid/not-built-yet';
/** Labels of an app: what made its image, and of what. The command line sets the same. */
export const BUILD_LABEL = 'draas.build';
export const SOURCE_LABEL = 'draas.source';

/** The app that a form describes; what it does not speak of stays as in `base`, the app that is there. */
export function appOf(form: Form, base?: Spec): { body: AppBody; faults: FormFaults } {
  const faults: FormFaults = {};
  const number = (field: keyof Form): number | undefined => {
    const value = numberIn(form[field]);
    if (value === null) faults[field] = 'This is no number.';
    return value ?? undefined;
  };
  const wrong = nameFault(form.name.trim());
  if (wrong !== undefined) faults.name = wrong;
  if (form.from === 'image' && form.image.trim() === '') faults.image = 'Say which image runs.';
  if (form.from === 'git' && form.git.trim() === '') faults.git = 'Say where the repository is.';

  const body: AppBody = base === undefined ? {} : keptOf(base);
  body.image = form.from === 'image' ? form.image.trim() : NOT_BUILT;
  const port = number('port');
  if (port !== undefined) body.port = port;
  if (form.command.trim()) {
    const isOld = base?.command != null && commandText(base.command) === form.command;
    body.command = isOld ? base.command : form.command.trim();
  }
  const env = pairsOf(form.env);
  if (env.fault !== undefined) faults.env = env.fault;
  const all = { ...(base === undefined ? {} : manyLines(base.env)), ...env.pairs };
  if (Object.keys(all).length > 0) body.env = all;

  const min = number('min');
  const max = number('max');
  if (min !== undefined && max !== undefined && max < min) faults.max = 'Less than the least.';
  if (min !== undefined || max !== undefined) {
    body.replicas = { min: min ?? 1, max: max ?? Math.max(1, min ?? 1) };
  }
  const targets = { requests_per_s: number('requests'), cpu_percent: number('cpu') };
  const scaled = { ...base?.autoscale, ...targets };
  const rules = Object.entries(scaled).filter(([, value]) => value != null);
  if (rules.some(([name]) => name !== 'idle_s')) {
    body.autoscale = Object.fromEntries(rules) as NonNullable<AppBody['autoscale']>;
  }
  const resources = { ...base?.resources, cpu_cores: number('cores'), memory_mb: number('memory') };
  const asked = Object.entries(resources).filter(([, value]) => value !== undefined);
  if (asked.length > 0) body.resources = Object.fromEntries(asked) as NonNullable<AppBody['resources']>;

  const health = healthOf(form, base);
  if ((form.health === 'http' || form.health === 'exec') && form.probe.trim() === '') {
    faults.probe = form.health === 'http' ? 'Say which path.' : 'Say which command.';
  }
  if (health !== undefined) body.health = health;
  const domains = linesOf(form.domains.replaceAll(',', '\n'));
  if (domains.length > 0) body.domains = domains;

  const deploy: Record<string, unknown> = { ...base?.deploy };
  delete deploy.order;
  delete deploy.deadline_s;
  delete deploy.canary;
  const deadline = number('deadline');
  const canary = number('canary');
  if (form.order) deploy.order = form.order;
  if (deadline !== undefined) deploy.deadline_s = deadline;
  if (canary !== undefined && canary > 0) {
    deploy.canary = { ...(base?.deploy.canary as object | null | undefined), replicas: canary };
  }
  if (Object.keys(deploy).length > 0) body.deploy = deploy as NonNullable<AppBody['deploy']>;
  return { body, faults };
}

/** What the form does not speak of. */
function keptOf(base: Spec): AppBody {
  const labels = Object.entries(base.labels).filter(([name]) => name !== BUILD_LABEL && name !== SOURCE_LABEL);
  return {
    labels: Object.fromEntries(labels),
    constraints: base.constraints,
    secrets: base.secrets,
    https: base.https,
    maintenance: base.maintenance,
    stop_grace_s: base.stop_grace_s,
    release_command: base.release_command,
  };
}

/** Values of several lines, which a field of lines cannot show: they stay as they are. */
const manyLines = (env: Record<string, string>) =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value.includes('\n')));

function healthOf(form: Form, base: Spec | undefined): AppBody['health'] | undefined {
  const { http: _http, tcp: _tcp, exec: _exec, none: _none, ...times } = base?.health ?? {};
  if (form.health === '') return Object.keys(times).length > 0 ? times : undefined;
  const value = form.health === 'http' || form.health === 'exec' ? form.probe.trim() : true;
  return { ...times, [form.health]: value };
}

/** The form that makes `spec` again. */
export function formOf(name: string, spec: Spec): Form {
  const text = (value: unknown) => (value == null ? '' : String(value));
  const { health, deploy } = spec;
  const kind = (['http', 'exec', 'tcp', 'none'] as const).find((one) => one in health);
  const isUsual = (kind === 'tcp' && spec.port !== null) || (kind === 'none' && spec.port === null);
  const canary = deploy.canary as { replicas: number } | null;
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
  };
}

/** The build of a form's source. */
export function buildOf(form: Form): { body: BuildBody; faults: FormFaults } {
  const faults: FormFaults = {};
  const body: BuildBody = { name: form.name.trim() };
  if (form.from === 'git') body.git = form.git.trim();
  if (form.folder.trim()) body.folder = form.folder.trim();
  if (form.dockerfile.trim()) body.dockerfile = form.dockerfile.trim();
  const args = pairsOf(form.args);
  if (args.fault !== undefined) faults.args = args.fault;
  if (Object.keys(args.pairs).length > 0) body.args = args.pairs;
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

const FIELDS: Record<string, keyof Form> = {
  app: 'name',
  name: 'name',
  image: 'image',
  git: 'git',
  port: 'port',
  command: 'command',
  'replicas.min': 'min',
  'replicas.max': 'max',
  replicas: 'min',
  'autoscale.requests_per_s': 'requests',
  'autoscale.cpu_percent': 'cpu',
  autoscale: 'requests',
  'resources.cpu_cores': 'cores',
  'resources.memory_mb': 'memory',
  'deploy.deadline_s': 'deadline',
  'deploy.canary': 'canary',
  'deploy.canary.replicas': 'canary',
  folder: 'folder',
  dockerfile: 'dockerfile',
};

/** The field of the form at which a fault of the API is told, by its path. */
export function fieldOf(path: string): keyof Form | undefined {
  const bare = path.replace(/^spec\./, '');
  if (bare.startsWith('health')) return 'probe';
  return FIELDS[bare] ?? (['env', 'domains', 'args'] as const).find((field) => bare.startsWith(field));
}

/** Which fields are folded away until somebody wants them. */
export const ADVANCED: readonly (keyof Form)[] = [
  'command',
  'env',
  'max',
  'requests',
  'cpu',
  'cores',
  'memory',
  'probe',
  'domains',
  'deadline',
  'canary',
  'folder',
  'dockerfile',
  'args',
];

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
  if (form.from !== 'image') for (const line of linesOf(form.args)) words.push(`--build-arg ${shellQuote(line)}`);
  return words.join(' ');
}
