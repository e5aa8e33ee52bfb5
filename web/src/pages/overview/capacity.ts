// Capacity: what all machines that can be reached have, and what of it is reserved and used. Pure.
import type { Machine } from '../../api/client';

const MIB = 1024 * 1024;

export interface Capacity {
  cores: number;
  coresReserved: number;
  coresUsed: number;
  memory: number; // bytes
  memoryReserved: number;
  memoryUsed: number;
  disk: number;
  diskUsed: number;
}

type Seen = Pick<Machine, 'state' | 'allocatable' | 'used' | 'load'>;

export function capacityOf(machines: readonly Seen[]): Capacity {
  const sum: Capacity = {
    cores: 0,
    coresReserved: 0,
    coresUsed: 0,
    memory: 0,
    memoryReserved: 0,
    memoryUsed: 0,
    disk: 0,
    diskUsed: 0,
  };
  for (const { state, allocatable, used, load } of machines) {
    if (state !== 'ready' && state !== 'draining') continue;
    sum.cores += allocatable.cpu_cores;
    sum.coresReserved += used.cpu_cores;
    sum.coresUsed += (load.cpu_percent / 100) * allocatable.cpu_cores;
    sum.memory += allocatable.memory_mb * MIB;
    sum.memoryReserved += used.memory_mb * MIB;
    sum.memoryUsed += load.memory_used_bytes;
    sum.disk += load.disk_total_bytes;
    sum.diskUsed += load.disk_used_bytes;
  }
  return sum;
}
