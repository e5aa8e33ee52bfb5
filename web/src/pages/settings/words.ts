// Words of the settings: keys, their roles and times; what is wrong with what was typed. Pure.
import type { Schemas } from '../../api/client';
import { shellQuote } from '../../lib/shell';
import { ago } from '../../lib/time';

export type Key = Schemas['KeyView'];
export type Role = 'viewer' | 'deployer' | 'admin';

export const ROLES: { value: Role; label: string; told: string }[] = [
  { value: 'viewer', label: 'Viewer', told: 'Sees jobs, apps, their output, machines and events. Changes nothing.' },
  { value: 'deployer', label: 'Deployer', told: 'The same, and runs, changes and removes jobs, builds and apps.' },
  { value: 'admin', label: 'Admin', told: 'Everything, among it keys, machines and images.' },
];

/** How long a key may be good for: its words, and seconds; none is for ever. */
export const LIFETIMES: { value: string; label: string }[] = [
  { value: '', label: 'Until it is revoked' },
  { value: '86400', label: 'A day' },
  { value: '2592000', label: '30 days' },
  { value: '7776000', label: '90 days' },
  { value: '31536000', label: 'A year' },
];

/** How long the old secret goes on being good for when a key is rotated. */
export const KEPT: { value: string; label: string }[] = [
  { value: '0', label: 'At once' },
  { value: '3600', label: 'In an hour' },
  { value: '86400', label: 'In a day' },
  { value: '604800', label: 'In a week' },
];

export const nameOf = (key: Pick<Key, 'name' | 'id'>): string => key.name || key.id;

/** "never", "in 3 d", "expired 2 h ago". */
export function expiry(key: Pick<Key, 'expires_at'>, nowMs: number): string {
  if (key.expires_at === null) return 'never';
  const told = ago(key.expires_at, nowMs);
  return Date.parse(key.expires_at) <= nowMs ? `expired ${told}` : told;
}

export const isAdminOfAll = (key: Key): boolean =>
  key.role === 'admin' && key.project === null && key.expires_at === null;

/** Why a key cannot be revoked; empty where it can. The API refuses the last one, too. */
export function keptBy(key: Key, all: readonly Key[]): string {
  return isAdminOfAll(key) && all.filter(isAdminOfAll).length === 1
    ? 'It is the last admin key that does not expire. Make another one first, or rotate it.'
    : '';
}

export interface KeyForm {
  name: string;
  role: Role;
  project: string;
  ttl: string;
}

export const keyBody = (form: KeyForm): Schemas['KeyBody'] => ({
  name: form.name.trim(),
  role: form.role,
  project: form.project.trim() || null,
  ttl_s: form.ttl === '' ? null : Number(form.ttl),
});

export function keyCommand(form: KeyForm): string {
  const words = [`draas keys make --role ${form.role}`];
  if (form.name.trim()) words.push(`--name ${shellQuote(form.name.trim())}`);
  if (form.project.trim()) words.push(`--project ${shellQuote(form.project.trim())}`);
  if (form.ttl) words.push(`--ttl ${Number(form.ttl) / 86_400}d`);
  return words.join(' ');
}

/** What keeps a text from being a registry's name: it stands in a path, where a slash would lead elsewhere. */
export const hostFault = (host: string): string =>
  /[/?#@\s]/.test(host.trim()) ? 'Give HOST or HOST:PORT as image names have it, without https:// and path.' : '';

/** What the API found wrong with the fields of a form, by the field's name. */
export function faultsBy(faults: readonly { path: string; message: string }[]): Record<string, string> {
  return Object.fromEntries(faults.map((fault) => [fault.path.split(/[.[]/)[0] ?? '', fault.message]));
}
