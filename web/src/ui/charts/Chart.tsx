// Chart: lines over time by uPlot, which only pages with charts load. The arrow keys go through its steps, as a pointer does.
import 'uplot/dist/uPlot.min.css';
import './charts.css';
import { useComputedColorScheme } from '@mantine/core';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import { lastKnown, linesOf, type Values, withHoles } from './data';
import { momentText, type Range, tickText } from './ranges';

const HEIGHT = 150;
const TIMES_PX = 30; // of the axis; marks end above it
const MARK_PX = 22;
const MARK_LINES = 3;
const FAR = 10; // steps of Page Up and Page Down
const COLOURS = { first: '--used', second: '--wait', bad: '--bad' } as const;
const FILL = { light: '#3b5bdb1f', dark: '#7b95f722' } as const;

export interface Series {
  label: string;
  values: Values;
  /** All but the first are dashed, so that no line is told by its colour alone. */
  colour?: keyof typeof COLOURS;
}

/** Something that happened at a time: drawn as a line from top to bottom. */
export interface Mark {
  at: number;
  name: string;
  /** All there is to say, for who points at it. */
  told: string;
  onOpen: () => void;
}

export interface ChartProps {
  label: string;
  range: Range;
  times: number[];
  stepS: number;
  series: Series[];
  /** Until when; the last step may be later. */
  now: number;
  most?: number | null;
  tell: (value: number) => string;
  /** The axis then has whole powers of two. */
  isBytes?: boolean;
  /** Said where no step has a value. */
  none: string;
  marks?: Mark[];
  /** Whether the keyboard stops at each mark: on one chart of a page. */
  hasMarkStops?: boolean;
}

const NO_MARKS: Mark[] = [];
const BYTE_STEPS = [0, 1, 2, 3, 4, 5].flatMap((power) =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500].map((one) => one * 1024 ** power),
);

export function Chart(props: ChartProps) {
  const { label, series, tell, none } = props;
  const isKnown = series.some(({ values }) => lastKnown(values) !== null);
  const [at, setAt] = useState<number | null>(null);
  const steps = useMemo(
    () =>
      withHoles(
        props.times,
        series.map(({ values }) => values),
        props.stepS,
      ),
    [props.times, series, props.stepS],
  );
  const shown = series.map((one, number) => ({
    ...one,
    value: at === null ? lastKnown(one.values) : (steps.columns[number]?.[at] ?? null),
  }));
  const words = (value: number | null) => (value === null ? '–' : tell(value));
  const time = at === null ? undefined : steps.times[at];
  return (
    <figure className="chart-figure">
      <figcaption className="chart-head">
        <span>{label}</span>
        {time !== undefined && <span className="dim figure">{momentText(time, props.stepS)}</span>}
        <span className="chart-values">
          {shown.map((one, number) => (
            <span key={one.label} data-series={one.label}>
              {series.length > 1 && (
                <>
                  <i className="chart-key" data-colour={one.colour ?? 'first'} data-dashed={number > 0} />
                  {one.label}{' '}
                </>
              )}
              <b className="figure">{words(one.value)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      {isKnown ? (
        <Plot
          {...props}
          steps={steps}
          at={at}
          onAt={setAt}
          text={shown.map((one) => `${one.label} ${words(one.value)}`).join(', ')}
        />
      ) : (
        <p className="chart-none">{none}</p>
      )}
    </figure>
  );
}

interface PlotProps extends ChartProps {
  steps: { times: number[]; columns: Values[] };
  at: number | null;
  onAt: (at: number | null) => void;
  text: string;
}

interface Placed extends Mark {
  left: number;
  line: number;
}

function Plot(props: PlotProps) {
  const { label, range, steps, series, most = null, marks = NO_MARKS, at, onAt } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  const picked = useRef<number | null>(null); // the time that the keys have gone to
  const [placed, setPlaced] = useState<Placed[]>([]);
  const scheme = useComputedColorScheme('light');
  const colours = series.map(({ colour = 'first' }) => colour).join(' ');
  const data = useMemo(() => [steps.times, ...steps.columns] as uPlot.AlignedData, [steps]);
  const first = useRef(data);
  first.current = data;

  useEffect(() => {
    const element = box.current!;
    const css = getComputedStyle(document.documentElement);
    const colour = (name: string) => css.getPropertyValue(name).trim();
    const axis = { stroke: colour('--off'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const place = (drawn: uPlot) => setPlaced((before) => placeMarks(drawn, now.current.marks ?? NO_MARKS, before));
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        scales: {
          x: { range: () => spanOf(now.current) },
          y: { range: (_plot, _low, high) => [0, most ?? Math.max((high ?? 0) * 1.15, 0.1)] },
        },
        series: [
          {},
          ...colours.split(' ').map((name, number) => ({
            stroke: colour(COLOURS[name as keyof typeof COLOURS]),
            width: 1.5,
            points: { show: (_plot: uPlot, _at: number, from: number, to: number) => to - from < 2 },
            ...(number === 0 ? { fill: FILL[scheme] } : { dash: [5, 3] }),
          })),
        ],
        axes: [
          {
            ...axis,
            size: TIMES_PX,
            space: 70,
            values: (_plot, ticks, _at, _space, every) => ticks.map((one) => tickText(one, every)),
          },
          {
            ...axis,
            size: 72,
            ...(now.current.isBytes ? { incrs: BYTE_STEPS } : {}),
            space: 34,
            values: (_plot, ticks) => ticks.map((tick) => now.current.tell(tick)),
          },
        ],
        hooks: {
          draw: [place],
          setCursor: [({ cursor }) => now.current.onAt(cursor.idx ?? null)],
        },
      },
      first.current,
      element,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [most, scheme, colours]);

  const go = (to: number) => {
    const drawn = plot.current;
    const time = steps.times[to];
    if (drawn === null || time === undefined) return;
    picked.current = time;
    drawn.setCursor({ left: drawn.valToPos(time, 'x'), top: 0 });
    onAt(to);
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: the range is read when it is drawn; it has to be drawn again
  useEffect(() => {
    plot.current?.setData(data);
    // uPlot moves its scales in a microtask of its own: after it the step stays where it is while time goes on.
    if (picked.current !== null) queueMicrotask(() => go(steps.times.indexOf(picked.current ?? Number.NaN)));
  }, [data, range, marks]);

  const onKeyDown = (event: KeyboardEvent) => {
    const last = steps.times.length - 1;
    const from = at ?? last + 1;
    const to = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      PageUp: from - FAR,
      PageDown: from + FAR,
      Home: 0,
      End: last,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      go(Math.min(Math.max(to, 0), last));
    }
  };
  const leave = () => {
    picked.current = null;
    plot.current?.setCursor({ left: -10, top: -10 });
    onAt(null);
  };

  const last = steps.times.length - 1;
  return (
    <div className="chart-box">
      <div
        className="chart"
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label={`${label} over ${range.told}`}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at ?? last}
        aria-valuetext={`${momentText(steps.times[at ?? last] ?? props.now, props.stepS)}: ${props.text}`}
        onKeyDown={onKeyDown}
        onBlur={leave}
        onPointerMove={() => {
          picked.current = null;
        }}
      />
      {placed.map((mark) => (
        <button
          key={mark.name}
          type="button"
          className="chart-mark"
          style={{ left: mark.left }}
          tabIndex={props.hasMarkStops ? 0 : -1}
          aria-hidden={!props.hasMarkStops}
          aria-label={mark.told}
          data-line={mark.line}
          data-side={mark.left > (plot.current?.width ?? 0) / 2 ? 'left' : 'right'}
          onClick={mark.onOpen}
        >
          <span className="chart-mark-name">{mark.name}</span>
          <span className="chart-mark-told">{mark.told}</span>
        </button>
      ))}
    </div>
  );
}

function spanOf({ steps, now, range }: PlotProps): [number, number] {
  const end = Math.max(steps.times.at(-1) ?? now, now);
  return [end - range.seconds, end];
}

/** Those in sight. The same as before where nothing moved, so that drawing does not draw again. */
function placeMarks(drawn: uPlot, marks: Mark[], before: Placed[]): Placed[] {
  const { min, max } = drawn.scales.x ?? {};
  if (min == null || max == null) return before;
  const seen = marks.filter((mark) => mark.at >= min && mark.at <= max).sort((one, other) => one.at - other.at);
  const ratio = window.devicePixelRatio || 1;
  const lefts = seen.map((mark) => Math.round(drawn.valToPos(mark.at, 'x') + drawn.bbox.left / ratio));
  const lines = linesOf(lefts, MARK_PX, MARK_LINES);
  const after = seen.map((mark, at) => ({ ...mark, left: lefts[at]!, line: lines[at]! }));
  const isSame =
    after.length === before.length &&
    after.every(
      (one, at) => one.left === before[at]!.left && one.told === before[at]!.told && one.line === before[at]!.line,
    );
  return isSame ? before : after;
}
