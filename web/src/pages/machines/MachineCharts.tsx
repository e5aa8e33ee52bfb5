// A machine's load over time, kept by the controller, so that neither a reload nor its restart loses it.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Machine } from '../../api/client';
import { samplesQuery } from '../../api/queries';
import { bytes } from '../../lib/amounts';
import { Chart, type Series } from '../../ui/charts/Chart';
import { asByteRate, asPercent, type Range } from '../../ui/charts/ranges';
import { Answer, EmptyState } from '../../ui/states';

const asLoad = (value: number) => value.toFixed(1);
const NONE = 'Not measured.';

export default function MachineCharts({ machine, range }: { machine: Machine; range: Range }) {
  const samples = useQuery(samplesQuery(machine.id, range));
  const items = samples.data?.items;
  const shown = useMemo(() => {
    const of = items ?? [];
    const one = (label: string, values: (number | null)[], colour: Series['colour'] = 'first') => ({
      label,
      values,
      colour,
    });
    return {
      times: of.map((sample) => Date.parse(sample.at) / 1000),
      cpu: [
        one(
          'CPU',
          of.map((sample) => sample.cpu_percent),
        ),
      ],
      memory: [
        one(
          'Memory',
          of.map((sample) => sample.memory_used_bytes),
        ),
      ],
      disk: [
        one(
          'Disk',
          of.map((sample) => sample.disk_used_bytes),
        ),
      ],
      load: [
        one(
          'Load',
          of.map((sample) => sample.load_1m),
        ),
      ],
      network: [
        one(
          'received',
          of.map((sample) => sample.received_bytes_per_s),
        ),
        one(
          'sent',
          of.map((sample) => sample.sent_bytes_per_s),
          'second',
        ),
      ],
    };
  }, [items]);
  return (
    <Answer of={samples} rows={3}>
      {(data) => {
        if (data.items.length === 0) {
          return (
            <EmptyState title={`Nothing was measured in ${range.told}.`}>
              {machine.last_seen === null
                ? 'It has never connected.'
                : 'Its agent tells a figure each second while it is connected.'}
            </EmptyState>
          );
        }
        const common = { range, times: shown.times, stepS: data.step_s, now: samples.dataUpdatedAt / 1000, none: NONE };
        return (
          <div className="columns">
            <Chart {...common} label="CPU" series={shown.cpu} most={100} tell={asPercent} />
            <Chart
              {...common}
              label="Memory"
              series={shown.memory}
              most={machine.capacity.memory_mb * 1024 * 1024}
              tell={bytes}
              isBytes
            />
            <Chart {...common} label="Network" series={shown.network} tell={asByteRate} isBytes />
            <Chart
              {...common}
              label="Disk"
              series={shown.disk}
              most={machine.load.disk_total_bytes || null}
              tell={bytes}
              isBytes
            />
            <Chart {...common} label="Load (1 min)" series={shown.load} tell={asLoad} />
          </div>
        );
      }}
    </Answer>
  );
}
