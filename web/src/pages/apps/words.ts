// Words: replicas, failures and scaling rules as people say them. Pure.
import type { AppDetail, Replica, Spec } from '../../api/client';
import { count } from '../../lib/amounts';
import { commandText } from '../../lib/shell';
import { duration } from '../../lib/time';

/** What a replica does, in one word, which is its badge's. */
export function phaseOf(replica: Replica): string {
  if (replica.leaving && !['failed', 'stopped', 'lost', 'succeeded'].includes(replica.state)) return 'leaving';
  if (replica.state !== 'running') return replica.state;
  if (replica.health === 'healthy' || replica.health === 'unhealthy') return replica.health;
  return 'starting';
}

/** Why a replica does not serve; "" where there is nothing to say. */
export function whyOf(replica: Replica): string {
  if (replica.leaving && replica.state === 'running') return replica.leaving;
  const facts: string[] = [];
  if (replica.exit_code !== null && replica.exit_code !== 0) facts.push(`exit code ${replica.exit_code}`);
  if (replica.oom) facts.push('out of memory');
  const phase = phaseOf(replica);
  const isBad = phase === 'failed' || phase === 'lost' || phase === 'unhealthy';
  const detail = replica.detail || (isBad ? replica.cause.replaceAll('_', ' ') : '');
  const missing = facts.filter((fact) => !detail.includes(fact));
  if (detail === '') return missing.join(', ');
  return missing.length > 0 ? `${detail} (${missing.join(', ')})` : detail;
}

/** The newest replica of a release that did not come up. */
export function failingOf(app: Pick<AppDetail, 'replicas' | 'past'>, release: number): Replica | null {
  const mine = [...app.replicas, ...app.past].filter((one) => one.release === release);
  const bad = mine.filter((one) => ['failed', 'lost', 'unhealthy'].includes(phaseOf(one)));
  return bad.sort((a, b) => b.number - a.number)[0] ?? null;
}

/** What to do about a replica that does not come up; "" where only its output knows. */
export function remedyOf(replica: Replica | null, spec: Spec): string {
  if (replica === null) return '';
  if (replica.oom || replica.cause === 'out_of_memory') {
    return `Give each replica more memory (it has ${spec.resources.memory_mb} MiB), or have it use less.`;
  }
  switch (replica.cause) {
    case 'image':
      return 'Check the name and the tag of the image; a private registry needs a login (draas registries).';
    case 'refused':
      return "The machine's owner does not allow it: see what each machine says below.";
    case 'exit':
      return replica.exit_code === 127
        ? 'A command is not there: check the command and that the image has it.'
        : 'Its output says why; it has to run until it is stopped.';
    default:
      break;
  }
  if (phaseOf(replica) !== 'unhealthy') return '';
  if ('http' in spec.health)
    return `GET ${String(spec.health.http)} must answer with a status below 400 on port ${spec.port}.`;
  if ('exec' in spec.health)
    return `${commandText(spec.health.exec as string[])} must end with 0 inside the container.`;
  return `It must listen on port ${spec.port}, on 0.0.0.0 and not on localhost alone.`;
}

/** How health is found out. */
export function healthText(spec: Spec): string {
  const { health } = spec;
  const every = `every ${duration(Number(health.every_s))}`;
  if ('http' in health) return `GET ${String(health.http)} answers below 400, ${every}`;
  if ('exec' in health) return `${commandText(health.exec as string[])} ends with 0, ${every}`;
  if ('tcp' in health) return `port ${spec.port} accepts a connection, ${every}`;
  return 'running is enough';
}

/** How many replicas there are to be, and by what that is decided. */
export function scalingRules(spec: Spec): string[] {
  const { min, max } = spec.replicas;
  const rules = spec.autoscale;
  if (rules === null) {
    return [
      min === max
        ? `Always ${count(min, 'replica')}.`
        : `Between ${min} and ${count(max, 'replica')}, as scaled by hand.`,
    ];
  }
  const said = [`Between ${min} and ${count(max, 'replica')}.`];
  const targets: [string, (value: number) => string][] = [
    ['requests_per_s', (value) => `${count(value, 'request')} a second`],
    ['concurrency', (value) => `${count(value, 'request')} at a time`],
    ['cpu_percent', (value) => `${value} % of the CPU it asks for`],
    ['memory_percent', (value) => `${value} % of the memory it asks for`],
  ];
  const wanted = targets.flatMap(([name, tell]) => (rules[name] == null ? [] : [tell(rules[name])]));
  if (wanted.length > 0) said.push(`So many that none has more than ${wanted.join(', or ')}.`);
  if (min === 0 && rules.idle_s != null) {
    said.push(`Without a request for ${duration(rules.idle_s)} it sleeps; the next request wakes it.`);
  }
  return said;
}

/** The host of a URL or a domain with a path. */
export const hostOf = (address: string): string => address.replace(/^https?:\/\//, '').split(/[/:]/)[0] ?? '';

/** Whether a certificate's name covers a host: itself, or one label of a wildcard. */
export function covers(name: string, host: string): boolean {
  if (!name.startsWith('*.')) return name === host;
  return host.endsWith(name.slice(1)) && !host.slice(0, -name.length + 1).includes('.');
}

/** An app's state with what is no state of its own: that it sleeps, or is being removed. */
export const stateOf = (app: Pick<AppDetail, 'state' | 'sleeping' | 'removing'>): string =>
  app.removing ? 'removing' : app.sleeping ? 'asleep' : app.state;
