// A machine's load over time, kept by the controller, so that neither a reload nor its restart loses it.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Machine, Schemas } from '../../api/client';
import { samplesQuery } from '../../api/queries';
import { bytes } from '../../lib/amounts';
import { asByteRate, asPercent, type Range } from '../../ui/charts/ranges';
import { type Figure, SampleCharts } from '../../ui/charts/SampleCharts';

const NONE = 'Not measured.';

export default function MachineCharts({ machine, range }: { machine: Machine; range: Range }) {
  const samples = useQuery(samplesQuery(machine.id, range));
  const memory = machine.capacity.memory_mb * 1024 * 1024;
  const disk = machine.load.disk_total_bytes || null;
  const figures = useMemo(() => figuresOf(memory, disk), [memory, disk]);
  return (
    <SampleCharts
      samples={samples}
      range={range}
      figures={figures}
      empty={
        machine.last_seen === null
          ? 'It has never connected.'
          : 'Its agent tells a figure each second while it is connected.'
      }
    />
  );
}

/** Of a machine with so many bytes of memory and disk. */
function figuresOf(memory: number, disk: number | null): Figure<Schemas['SampleView']>[] {
  return [
    {
      label: 'CPU',
      lines: [{ label: 'CPU', of: (sample) => sample.cpu_percent }],
      most: 100,
      tell: asPercent,
      none: NONE,
    },
    {
      label: 'Memory',
      lines: [{ label: 'Memory', of: (sample) => sample.memory_used_bytes }],
      most: memory,
      tell: bytes,
      isBytes: true,
      none: NONE,
    },
    {
      label: 'Network',
      lines: [
        { label: 'received', of: (sample) => sample.received_bytes_per_s },
        { label: 'sent', of: (sample) => sample.sent_bytes_per_s, colour: 'second' },
      ],
      tell: asByteRate,
      isBytes: true,
      none: NONE,
    },
    {
      label: 'Disk',
      lines: [{ label: 'Disk', of: (sample) => sample.disk_used_bytes }],
      most: disk,
      tell: bytes,
      isBytes: true,
      none: NONE,
    },
    {
      label: 'Load (1 min)',
      lines: [{ label: 'Load', of: (sample) => sample.load_1m }],
      tell: (value) => value.toFixed(1),
      none: NONE,
    },
  ];
}
