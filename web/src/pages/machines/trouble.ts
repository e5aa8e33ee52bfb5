// Trouble: why a machine is not as it should be, with the remedy. Pure.
import type { Machine } from '../../api/client';

const FULL = 0.95;

export interface Trouble {
  what: string;
  remedy: string;
}

type Seen = Pick<Machine, 'state' | 'runtimes' | 'load' | 'ingress'>;

export function troublesOf(machine: Seen): Trouble[] {
  const found: Trouble[] = [];
  if (machine.state === 'disconnected') {
    found.push({
      what: 'Its agent has gone silent.',
      remedy: 'It is taken for down if it stays so. Look whether the machine and its network are up.',
    });
  }
  if (machine.state === 'down') {
    found.push({
      what: 'Its agent cannot be heard. What ran there runs elsewhere.',
      remedy: 'On the machine: systemctl status draas-agent; if it is gone for good, remove it here.',
    });
  }
  if (machine.runtimes.length > 0 && machine.runtimes.every((runtime) => !runtime.available)) {
    found.push({
      what: 'It can run nothing.',
      remedy: machine.runtimes
        .map((runtime) => runtime.missing)
        .filter(Boolean)
        .join('; '),
    });
  }
  const { disk_used_bytes: used, disk_total_bytes: total } = machine.load;
  if (total > 0 && used / total > FULL) {
    found.push({
      what: `Its disk is ${Math.round((100 * used) / total)} % full.`,
      remedy: 'Make room: unused images take the most (docker image prune).',
    });
  }
  if (machine.ingress?.missing) found.push({ what: 'It cannot be an ingress.', remedy: machine.ingress.missing });
  for (const [host, fault] of Object.entries(machine.ingress?.faults ?? {})) {
    found.push({ what: `Its ingress leaves out ${host}.`, remedy: fault });
  }
  return found;
}
