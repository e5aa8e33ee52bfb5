import { expect, test } from 'vitest';
import { troublesOf } from './trouble';

const load = {
  cpu_percent: 0,
  memory_used_bytes: 0,
  disk_used_bytes: 1,
  disk_total_bytes: 10,
  load_1m: 0,
  received_bytes_per_s: null,
  sent_bytes_per_s: null,
};
const docker = { name: 'docker', available: true, version: '1', isolation: '', missing: '' };
const machine = { state: 'ready', runtimes: [docker], load, ingress: null };

test('a machine that is well', () => {
  expect(troublesOf(machine)).toEqual([]);
});

test('every trouble has a remedy', () => {
  const found = troublesOf({
    state: 'down',
    runtimes: [{ ...docker, available: false, missing: 'start it: systemctl start docker' }],
    load: { ...load, disk_used_bytes: 9.9 },
    ingress: {
      proxy: '',
      http_port: 0,
      https_port: 0,
      address: '',
      dns: '',
      missing: 'apt-get install haproxy',
      faults: { 'shop.example': 'the certificate has expired' },
    },
  });
  expect(found.map((one) => one.what)).toEqual([
    'Its agent cannot be heard. What ran there runs elsewhere.',
    'It can run nothing.',
    'Its disk is 99 % full.',
    'It cannot be an ingress.',
    'Its ingress leaves out shop.example.',
  ]);
  expect(found.every((one) => one.remedy !== '')).toBe(true);
});
