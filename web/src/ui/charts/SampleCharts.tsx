// SampleCharts: what was measured over a range, a chart for each figure.
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useMemo } from 'react';
import { Answer, EmptyState } from '../states';
import { Chart, type ChartProps, type Mark, type Series } from './Chart';
import type { Range } from './ranges';

interface Line<T> extends Omit<Series, 'values'> {
  of: (sample: T) => number | null;
}

export interface Figure<T> extends Omit<ChartProps, 'range' | 'times' | 'stepS' | 'series' | 'now' | 'marks'> {
  lines: Line<T>[];
}

interface SampleChartsProps<T> {
  samples: UseQueryResult<{ items: T[]; step_s: number }>;
  range: Range;
  /** The same array as long as nothing of it changes. */
  figures: Figure<T>[];
  marks?: Mark[];
  /** Said where nothing was measured: who measures, and when. */
  empty: ReactNode;
}

export function SampleCharts<T extends { at: string }>(props: SampleChartsProps<T>) {
  const { samples, range, figures, marks, empty } = props;
  const items = samples.data?.items;
  const shown = useMemo(() => {
    const of = items ?? [];
    return {
      times: of.map((sample) => Date.parse(sample.at) / 1000),
      series: figures.map(({ lines }) => lines.map((line) => ({ ...line, values: of.map(line.of) }))),
    };
  }, [items, figures]);
  return (
    <Answer of={samples} rows={3}>
      {(data) => {
        if (data.items.length === 0) {
          return <EmptyState title={`Nothing was measured in ${range.told}.`}>{empty}</EmptyState>;
        }
        const common = { range, times: shown.times, stepS: data.step_s, now: samples.dataUpdatedAt / 1000 };
        return (
          <div className="columns">
            {figures.map(({ lines, ...figure }, at) => (
              <Chart
                key={figure.label}
                {...common}
                {...figure}
                {...(marks ? { marks } : {})}
                series={shown.series[at] ?? []}
              />
            ))}
          </div>
        );
      }}
    </Answer>
  );
}
