// What an app did over time, with a mark where each release began to roll out.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { AppDetail } from '../../api/client';
import { appSamplesQuery } from '../../api/queries';
import { bytes, cores } from '../../lib/amounts';
import { Chart, type Series } from '../../ui/charts/Chart';
import { asFigure, asMs, asRate, momentText, type Range } from '../../ui/charts/ranges';
import { Answer, EmptyState } from '../../ui/states';
import { marksOf } from './marks';

const NO_REQUESTS = 'Not known: requests are counted by machines with the ingress role, and none serves this app.';
const NO_LATENCY = 'No request was answered.';
const NO_USE = 'Not measured yet.';

export default function AppCharts({ app, range }: { app: AppDetail; range: Range }) {
  const samples = useQuery(appSamplesQuery(app.name, range));
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
      requests: [
        one(
          'all',
          of.map((sample) => sample.requests_per_s),
        ),
        one(
          'failed (5xx)',
          of.map((sample) => sample.errors_per_s),
          'bad',
        ),
      ],
      latency: [
        one(
          'mean',
          of.map((sample) => sample.latency_ms),
        ),
      ],
      cpu: [
        one(
          'CPU',
          of.map((sample) => sample.cpu_cores),
        ),
      ],
      memory: [
        one(
          'Memory',
          of.map((sample) => sample.memory_bytes),
        ),
      ],
      replicas: [
        one(
          'ready',
          of.map((sample) => sample.replicas_ready),
        ),
        one(
          'wanted',
          of.map((sample) => sample.replicas_wanted),
          'second',
        ),
      ],
    };
  }, [items]);
  const marks = useMemo(
    () =>
      marksOf(app.releases).map((mark) => ({
        at: mark.at,
        name: String(mark.number),
        told: `Release ${mark.number}, ${mark.state}: ${momentText(mark.at, 1)}`,
        onOpen: () => showRelease(mark.number),
      })),
    [app.releases],
  );
  return (
    <Answer of={samples} rows={3}>
      {(data) => {
        if (data.items.length === 0) {
          return (
            <EmptyState title={`Nothing was measured in ${range.told}.`}>
              The controller looks at each app every 10 seconds.
            </EmptyState>
          );
        }
        const common = { range, times: shown.times, stepS: data.step_s, now: samples.dataUpdatedAt / 1000, marks };
        return (
          <div className="columns">
            <Chart {...common} label="Requests" series={shown.requests} tell={asRate} none={NO_REQUESTS} />
            <Chart {...common} label="Latency" series={shown.latency} tell={asMs} none={NO_LATENCY} />
            <Chart {...common} label="Replicas" series={shown.replicas} tell={asFigure} none={NO_USE} hasMarkStops />
            <Chart {...common} label="CPU" series={shown.cpu} tell={cores} none={NO_USE} />
            <Chart {...common} label="Memory" series={shown.memory} tell={bytes} isBytes none={NO_USE} />
          </div>
        );
      }}
    </Answer>
  );
}

/** Where its steps and changes are. */
function showRelease(number: number): void {
  const row = document.querySelector<HTMLElement>(`[data-release="${number}"]`);
  row?.scrollIntoView({ block: 'center' });
  row?.querySelector<HTMLElement>('[aria-expanded]')?.focus({ preventScroll: true });
}
