// What an app did over time, with a mark where each release began to roll out.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { AppDetail, Schemas } from '../../api/client';
import { appSamplesQuery } from '../../api/queries';
import { bytes, cores } from '../../lib/amounts';
import { asFigure, asMs, asRate, momentText, type Range } from '../../ui/charts/ranges';
import { type Figure, SampleCharts } from '../../ui/charts/SampleCharts';
import { marksOf } from './marks';

const NO_USE = 'Not measured yet.';
const FIGURES: Figure<Schemas['AppSampleView']>[] = [
  {
    label: 'Requests',
    lines: [
      { label: 'all', of: (sample) => sample.requests_per_s },
      { label: 'failed (5xx)', of: (sample) => sample.errors_per_s, colour: 'bad' },
    ],
    tell: asRate,
    none: 'Not known: requests are counted by machines with the ingress role, and none serves this app.',
  },
  {
    label: 'Latency',
    lines: [{ label: 'mean', of: (sample) => sample.latency_ms }],
    tell: asMs,
    none: 'No request was answered.',
  },
  {
    label: 'Replicas',
    lines: [
      { label: 'ready', of: (sample) => sample.replicas_ready },
      { label: 'wanted', of: (sample) => sample.replicas_wanted, colour: 'second' },
    ],
    tell: asFigure,
    none: NO_USE,
    hasMarkStops: true,
  },
  { label: 'CPU', lines: [{ label: 'CPU', of: (sample) => sample.cpu_cores }], tell: cores, none: NO_USE },
  {
    label: 'Memory',
    lines: [{ label: 'Memory', of: (sample) => sample.memory_bytes }],
    tell: bytes,
    isBytes: true,
    none: NO_USE,
  },
];

export default function AppCharts({ app, range }: { app: AppDetail; range: Range }) {
  const samples = useQuery(appSamplesQuery(app.name, range));
  const marks = useMemo(
    () =>
      marksOf(app.releases).map((mark) => ({
        at: mark.at,
        name: String(mark.number),
        told: `Release ${mark.number}, ${mark.state}: ${momentText(mark.at, 1)}`,
        onOpen: () => openRelease(mark.number),
      })),
    [app.releases],
  );
  return (
    <SampleCharts
      samples={samples}
      range={range}
      figures={FIGURES}
      marks={marks}
      empty="The controller looks at each app every 10 seconds."
    />
  );
}

/** Where its steps and changes are. */
function openRelease(number: number): void {
  const row = document.querySelector<HTMLElement>(`[data-release="${number}"]`);
  const details = row?.querySelector<HTMLElement>('[aria-expanded]');
  if (details?.getAttribute('aria-expanded') === 'false') details.click();
  row?.scrollIntoView({ block: 'start' });
  details?.focus({ preventScroll: true });
}
