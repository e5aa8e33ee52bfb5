// Charts: a machine's load over the last hour, kept by the controller, so that a reload loses none of it.
import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import type { Machine } from '../../api/client';
import { samplesQuery } from '../../api/queries';
import { bytes } from '../../lib/amounts';
import { Answer } from '../../ui/states';

const HEIGHT = 150;
const HOUR_S = 3600; // all that the controller keeps; a machine that has just joined fills the end of it

/** From the first to the last time, an hour at least. uPlot itself makes years of a single one. */
function hourOf(times: number[]): [number, number] {
  const last = times.at(-1) ?? Date.now() / 1000;
  return [Math.min(times[0] ?? last, last - HOUR_S), last];
}

interface ChartProps {
  label: string;
  times: number[];
  values: number[];
  most: number | null;
  tell: (value: number) => string;
}

function Chart({ label, times, values, most, tell }: ChartProps) {
  const at = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef<[number[], number[]]>([times, values]);
  data.current = [times, values];
  const latestTell = useRef(tell);
  latestTell.current = tell;
  const scheme = useComputedColorScheme('light');

  useEffect(() => {
    const box = at.current!;
    const css = getComputedStyle(document.documentElement);
    const colour = (name: string) => css.getPropertyValue(name).trim();
    const axis = { stroke: colour('--off'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        scales: {
          x: { range: () => hourOf(data.current[0]) },
          y: { range: (_plot, _low, high) => [0, most ?? Math.max(high * 1.15, 0.1)] },
        },
        series: [
          {},
          {
            stroke: colour('--used'),
            fill: scheme === 'dark' ? '#7b95f722' : '#3b5bdb1f',
            width: 1.5,
            points: { show: false },
          },
        ],
        axes: [
          { ...axis, space: 70 },
          { ...axis, size: 64, space: 34, values: (_plot, ticks) => ticks.map((tick) => latestTell.current(tick)) },
        ],
      },
      data.current,
      box,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [most, scheme]);

  useEffect(() => plot.current?.setData([times, values]), [times, values]);

  const last = values.at(-1);
  return (
    <figure style={{ margin: 0, minWidth: 0 }}>
      <figcaption className="meter-head">
        <span>{label}</span>
        <span className="figure">{last === undefined ? '–' : tell(last)}</span>
      </figcaption>
      <div
        className="chart"
        ref={at}
        role="img"
        aria-label={`${label} over the last hour, now ${last === undefined ? 'not known' : tell(last)}`}
      />
    </figure>
  );
}

const asPercent = (value: number) => `${Math.round(value)} %`;
const asLoad = (value: number) => value.toFixed(1);

export default function Charts({ id, machine }: { id: string; machine: Machine }) {
  const samples = useQuery(samplesQuery(id));
  return (
    <Answer of={samples} rows={3}>
      {({ items }) => {
        const times = items.map((sample) => Date.parse(sample.at) / 1000);
        return (
          <div className="columns">
            <Chart
              label="CPU"
              times={times}
              values={items.map((sample) => sample.cpu_percent)}
              most={100}
              tell={asPercent}
            />
            <Chart
              label="Memory"
              times={times}
              values={items.map((sample) => sample.memory_used_bytes)}
              most={machine.capacity.memory_mb * 1024 * 1024}
              tell={bytes}
            />
            <Chart
              label="Disk"
              times={times}
              values={items.map((sample) => sample.disk_used_bytes)}
              most={machine.load.disk_total_bytes || null}
              tell={bytes}
            />
            <Chart
              label="Load (1 min)"
              times={times}
              values={items.map((sample) => sample.load_1m)}
              most={null}
              tell={asLoad}
            />
          </div>
        );
      }}
    </Answer>
  );
}
