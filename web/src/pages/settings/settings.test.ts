import { expect, test } from 'vitest';
import { may } from '../../ui/may';
import { TABS } from './tabs';
import { expiry, faultsBy, hostFault, type Key, keptBy, keyBody, keyCommand, nameOf } from './words';

const NOW = Date.parse('2026-01-10T00:00:00Z');
const key = (fields: Partial<Key>): Key => ({
  id: 'k-1',
  name: '',
  role: 'viewer',
  project: null,
  node_id: null,
  created_at: '2026-01-01T00:00:00Z',
  expires_at: null,
  ...fields,
});

test('a key says when it ends', () => {
  expect(expiry(key({}), NOW)).toBe('never');
  expect(expiry(key({ expires_at: '2026-01-22T00:00:00Z' }), NOW)).toBe('in 12 d');
  expect(expiry(key({ expires_at: '2026-01-09T22:00:00Z' }), NOW)).toBe('expired 2 h ago');
});

test('a key without a name is called by its id', () => {
  expect(nameOf(key({}))).toBe('k-1');
  expect(nameOf(key({ name: 'ci' }))).toBe('ci');
});

test('the last admin key that lasts is kept', () => {
  const first = key({ role: 'admin' });
  expect(keptBy(first, [first, key({ role: 'admin', project: 'red' })])).toContain('last admin key');
  expect(keptBy(first, [first, key({ role: 'admin', expires_at: '2027-01-01T00:00:00Z' })])).not.toBe('');
  expect(keptBy(first, [first, key({ id: 'k-2', role: 'admin' })])).toBe('');
  expect(keptBy(key({ role: 'deployer' }), [first])).toBe('');
});

test('the form is the command and the request', () => {
  const form = { name: " ada's laptop ", role: 'deployer', project: 'red', ttl: '2592000' } as const;
  expect(keyCommand(form)).toBe("draas keys make --role deployer --name 'ada'\\''s laptop' --project red --ttl 30d");
  expect(keyBody(form)).toEqual({ name: "ada's laptop", role: 'deployer', project: 'red', ttl_s: 2_592_000 });
  expect(keyBody({ name: '', role: 'viewer', project: ' ', ttl: '' })).toMatchObject({ project: null, ttl_s: null });
});

test('a registry is a host', () => {
  for (const host of ['docker.io', 'registry.example:5000', '[::1]:5000', '']) expect(hostFault(host)).toBe('');
  for (const host of ['https://ghcr.io', 'ghcr.io/ada', 'a b.example', 'me@ghcr.io'])
    expect(hostFault(host)).not.toBe('');
});

test('faults are told at their field', () => {
  expect(faultsBy([{ path: 'project', message: 'must be a name' }])).toEqual({ project: 'must be a name' });
});

test('nobody is led where the API would refuse them', () => {
  const seen = (role: string, project: string | null) =>
    TABS.filter((tab) => may({ role, project }, tab.needs)).map((tab) => tab.label);
  expect(seen('admin', null)).toEqual(['About', 'Keys', 'Registries', 'Certificates']);
  expect(seen('admin', 'red')).toEqual(['About', 'Registries']);
  expect(seen('viewer', null)).toEqual(['About', 'Registries', 'Certificates']);
});
