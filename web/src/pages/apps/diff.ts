// Diff: what differs between two releases. Pure. Of the environment only names are told: values are often secret.
import type { Spec } from '../../api/client';
import { commandText } from '../../lib/shell';

export interface Change {
  what: string;
  before: string | null; // null: it was not there
  after: string | null;
}

interface Compared {
  /** What its tag was resolved to; "" where that is not known. */
  image: string;
  spec: Spec;
}

export function diffReleases(before: Compared, after: Compared): Change[] {
  const changes: Change[] = [];
  const tell = (what: string, old: string | null, now: string | null) => {
    if (old !== now) changes.push({ what, before: old, after: now });
  };
  tell('image', imageOf(before), imageOf(after));
  const told = new Set(['image', 'env', 'labels', 'domains', 'constraints', 'secrets', 'command', 'release_command']);
  tell('command', commandOrNull(before.spec.command), commandOrNull(after.spec.command));
  tell('release command', commandOrNull(before.spec.release_command), commandOrNull(after.spec.release_command));
  const [old, now] = [flat(before.spec, told), flat(after.spec, told)];
  for (const path of new Set([...Object.keys(old), ...Object.keys(now)]))
    tell(path, old[path] ?? null, now[path] ?? null);
  changes.push(...diffEnv(before.spec.env, after.spec.env));
  for (const name of ['labels'] as const) {
    for (const key of keysOf(before.spec[name], after.spec[name])) {
      tell(`label ${key}`, before.spec[name][key] ?? null, after.spec[name][key] ?? null);
    }
  }
  for (const [name, noun] of [
    ['domains', 'domain'],
    ['constraints', 'constraint'],
    ['secrets', 'secret'],
  ] as const) {
    const [had, has] = [new Set(before.spec[name]), new Set(after.spec[name])];
    for (const one of new Set([...had, ...has])) tell(noun, had.has(one) ? one : null, has.has(one) ? one : null);
  }
  return changes;
}

/** The tag alone does not say what runs: where two digests differ below the same tag, they are the difference. */
function imageOf({ image, spec }: Compared): string {
  const digest = /@(sha256:[0-9a-f]{12})/.exec(image)?.[1];
  return digest === undefined || spec.image.includes('@') ? spec.image : `${spec.image} (${digest})`;
}

const commandOrNull = (command: string | string[] | null) => (command === null ? null : commandText(command));

function diffEnv(before: Record<string, string>, after: Record<string, string>): Change[] {
  return keysOf(before, after).flatMap((name) => {
    const [was, is] = [before[name], after[name]];
    if (was === is) return [];
    const set = (value: string | undefined) => (value === undefined ? null : 'set');
    return [
      {
        what: `env ${name}`,
        before: set(was),
        after: was !== undefined && is !== undefined ? 'another value' : set(is),
      },
    ];
  });
}

const keysOf = (...all: Record<string, unknown>[]) => [...new Set(all.flatMap((one) => Object.keys(one)))].sort();

/** Fields by their path, as text; null is left out. */
function flat(value: object, without: ReadonlySet<string>, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, one] of Object.entries(value)) {
    const path = prefix ? `${prefix}.${name}` : name;
    if (without.has(path) || one == null) continue;
    if (typeof one === 'object' && !Array.isArray(one)) Object.assign(found, flat(one, without, path));
    else found[path] = Array.isArray(one) ? commandText(one.map(String)) : String(one);
  }
  return found;
}
