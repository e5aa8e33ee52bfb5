import { expect, test } from 'vitest';
import { capacityOf } from './capacity';

const load = {
  cpu_percent: 50,
  memory_used_bytes: 100,
  disk_used_bytes: 7,
  disk_total_bytes: 10,
  load_1m: 1,
  received_bytes_per_s: null,
  sent_bytes_per_s: null,
};
const machine = (state: string) => ({
  state,
  allocatable: { cpu_cores: 4, memory_mb: 1, gpus: 0 },
  used: { cpu_cores: 1.5, memory_mb: 0.5, gpus: 0 },
  load,
});

test('machines that can be reached are added up, others are not', () => {
  expect(capacityOf([machine('ready'), machine('draining'), machine('down'), machine('left')])).toEqual({
    cores: 8,
    coresReserved: 3,
    coresUsed: 4,
    memory: 2 * 1024 * 1024,
    memoryReserved: 1024 * 1024,
    memoryUsed: 200,
    disk: 20,
    diskUsed: 14,
  });
});
