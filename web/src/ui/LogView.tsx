// LogView: the output of a job, a build or an app, of any length, the newest line in sight until somebody scrolls up.
import { Button, TextInput } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { useLocation, useNavigate } from '@tanstack/react-router';
import {
  type KeyboardEvent,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { count } from '../lib/amounts';
import { anchorOf, parseAnchor } from '../logs/anchor';
import { markable } from '../logs/marks';
import { MergedSource } from '../logs/merged';
import { NumberedSource } from '../logs/numbered';
import { nextHit } from '../logs/picked';
import { Row } from '../logs/Row';
import type { LogLine, Source } from '../logs/source';
import { useSearch } from '../logs/useSearch';
import { drawn, innerPx, scrollTo } from '../logs/viewport';
import { Icon } from './icons';
import { ErrorPanel } from './states';

const ROW_PX = 18; // as the style sheet has it
const ALL_DRAWN = 400; // so few rows are simply there
const NEAR_END_PX = 12;

interface LogViewProps {
  /** Whose output: one of these three. */
  jobId?: string;
  buildId?: string;
  app?: string;
  /** Of an app: one replica alone, by id or number. */
  replica?: string | undefined;
  /** Of a job or build: one attempt alone; otherwise the latest and what follows. */
  attempt?: number | undefined;
}

export function LogView({ jobId, buildId, app, replica, attempt }: LogViewProps) {
  const linked = parseAnchor(useLocation({ select: (location) => location.hash }));
  const [first] = useState(linked); // where it opens
  const [asked, setAsked] = useState(''); // the expression, as typed
  const [expression, setExpression] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setExpression(asked), 250);
    return () => clearTimeout(timer);
  }, [asked]);
  const base =
    app !== undefined
      ? `/api/apps/${encodeURIComponent(app)}/logs`
      : `/api/${jobId !== undefined ? 'jobs' : 'builds'}/${encodeURIComponent(jobId ?? buildId ?? '')}/logs`;
  const part = attempt ?? (app === undefined ? (first?.part ?? undefined) : undefined);
  const grep = app === undefined ? '' : expression; // of an app, the server searches all replicas and sends what it finds
  const source = useMemo(() => {
    if (app === undefined) return new NumberedSource(base, part);
    const query = { ...(replica ? { replica } : {}), ...(grep ? { grep } : {}) };
    return new MergedSource(base, query, grep === '' ? first : null);
  }, [app, base, part, replica, grep, first]);
  useEffect(() => source.start(), [source]);
  const whole = `${base}${part !== undefined ? `?attempt=${part}` : replica ? `?replica=${encodeURIComponent(replica)}` : ''}`;
  return (
    <Output
      key={base + part + replica}
      source={source}
      isMerged={app !== undefined && replica === undefined}
      whole={whole}
      asked={asked}
      expression={expression}
      onAsk={setAsked}
      name={app ?? jobId ?? buildId ?? 'output'}
    />
  );
}

interface OutputProps {
  source: Source;
  isMerged: boolean;
  whole: string;
  name: string;
  asked: string;
  expression: string;
  onAsk: (expression: string) => void;
}

function Output({ source, isMerged, whole, name, asked, expression, onAsk }: OutputProps) {
  useSyncExternalStore(
    useCallback((then: () => void) => source.subscribe(then), [source]),
    () => source.version(),
  );
  const [isWrapped, setWrapped] = useLocalStorage({
    key: 'draas-log-wrap',
    defaultValue: true,
    getInitialValueInEffect: false,
  });
  const [isTimed, setTimed] = useLocalStorage({
    key: 'draas-log-times',
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const [isOnly, setOnly] = useState(true); // what was found and its surroundings, or all lines
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const search = useSearch(source, expression);
  const picked = isOnly ? search.picked : null;
  const rows = picked?.length ?? source.count;
  const box = useRef<HTMLDivElement>(null);
  const block = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const [boxPx, setBoxPx] = useState(480);
  const [rowPx, setRowPx] = useState(ROW_PX);
  const [scrollPx, setScrollPx] = useState(0);
  const [current, setCurrent] = useState(-1); // the row of the source that n and N start from
  const [isFollowing, setFollowing] = useState(true);
  const following = useRef(true); // the same, at once
  const isHeld = useRef(false); // the scroll bar is
  const [seen, setSeen] = useState(0); // rows and what was put before them, when following was paused
  const isAll = rows <= ALL_DRAWN;
  const geometry = { rows, rowPx, boxPx };
  const place = drawn(geometry, isFollowing ? Number.MAX_SAFE_INTEGER : scrollPx);
  const [from, to] = isAll ? [0, rows] : [place.from, place.to];

  const pause = useCallback(() => {
    if (!following.current) return;
    following.current = false;
    setFollowing(false);
    setSeen(source.count - source.shift);
    setScrollPx(box.current?.scrollTop ?? 0);
    source.setFollowing(false);
  }, [source]);
  const toEnd = useCallback(() => {
    following.current = true;
    setFollowing(true);
    source.setFollowing(true);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [source]);

  // Another output, or what was found in it, opens at its end.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever one of these is another
  useEffect(() => {
    setCurrent(-1);
    toEnd();
  }, [source, expression, isOnly]);

  useEffect(() => {
    const watching = new ResizeObserver(([entry]) => setBoxPx(Math.max(80, entry!.contentRect.height)));
    watching.observe(box.current!);
    return () => watching.disconnect();
  }, []);

  // What is in sight is wanted.
  useEffect(() => {
    if (picked === null) source.want(from, to);
    else if (source instanceof NumberedSource) source.wantEach(picked.slice(from, to).map((one) => one.line - 1));
  });

  // The drawn rows are put where they belong, and what they are tall is learnt.
  const shift = useRef(source.shift);
  useLayoutEffect(() => {
    const scroller = box.current!;
    const moved = source.shift - shift.current;
    shift.current = source.shift;
    if (moved !== 0 && !following.current) scroller.scrollTop += moved * rowPx;
    if (following.current && !isHeld.current) scroller.scrollTop = scroller.scrollHeight;
    if (isAll || block.current === null) return;
    const anchor = block.current.children[place.anchor - place.from] as HTMLElement | undefined;
    if (anchor === undefined) return;
    const inBlock = anchor.offsetTop - block.current.offsetTop + place.share * anchor.offsetHeight;
    block.current.style.transform = `translateY(${scroller.scrollTop + place.placePx - inBlock}px)`;
    const tall = block.current.offsetHeight / Math.max(1, place.to - place.from);
    if (Math.abs(tall - rowPx) > 0.15 * rowPx) {
      const ratio = scroller.scrollTop / Math.max(1, innerPx(geometry) - boxPx);
      setRowPx(tall);
      requestAnimationFrame(() => {
        if (!following.current) scroller.scrollTop = ratio * (scroller.scrollHeight - scroller.clientHeight);
      });
    }
  });

  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    setScrollPx(scrollTop);
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (isAtEnd && !following.current && !isHeld.current && !source.isDetached) toEnd();
    else if (!isAtEnd) pause();
  };

  const show = useCallback(
    (at: number) => {
      pause();
      const all = { rows, rowPx, boxPx };
      box.current!.scrollTop = rows <= ALL_DRAWN ? box.current!.scrollTop : scrollTo(all, at);
      setScrollPx(box.current!.scrollTop);
      // Heights above it may be others than taken: once it is drawn, it is brought into sight.
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          const row = box.current?.querySelector<HTMLElement>(`[data-row="${at}"]`);
          if (row && box.current) {
            const off = row.getBoundingClientRect().top - box.current.getBoundingClientRect().top;
            if (off < 0 || off > box.current.clientHeight - ROW_PX)
              box.current.scrollTop += off - box.current.clientHeight / 2;
          }
        }),
      );
    },
    [rows, rowPx, boxPx, pause],
  );

  const step = (isBack: boolean) => {
    const hits = search.hits;
    const at = nextHit(hits, current < 0 ? (isBack ? Number.POSITIVE_INFINITY : 0) : current + 1, isBack);
    if (at < 0) return;
    const row = hits[at]! - 1;
    setCurrent(row);
    show(picked === null ? row : picked.findIndex((one) => one.line - 1 === row));
  };

  // The line that the address names.
  const navigate = useNavigate();
  const hash = useLocation({ select: (location) => location.hash });
  const linked = useMemo(() => parseAnchor(hash), [hash]);
  const linkedRow = linked === null || !source.isLoaded ? -1 : source.indexOf(linked);
  const shownLink = useRef('');
  useEffect(() => {
    if (linkedRow < 0 || shownLink.current === hash || picked !== null || boxPx < 1) return;
    shownLink.current = hash;
    show(linkedRow);
  }, [linkedRow, hash, picked, show, boxPx]);
  const onLink = useCallback(
    (line: LogLine) => {
      const anchor = anchorOf({ part: line.part, line: line.line });
      shownLink.current = anchor;
      void navigate({
        to: '.',
        search: true,
        hash: anchor,
        replace: true,
        resetScroll: false,
        hashScrollIntoView: false,
      });
    },
    [navigate],
  );
  const onExpand = useCallback(
    (line: LogLine) => {
      const key = `${line.part}:${line.line}`;
      setExpanded((before) => {
        const after = new Set(before);
        if (!after.delete(key)) after.add(key);
        return after;
      });
      pause();
    },
    [pause],
  );

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === input.current) {
      if (event.key === 'Enter') step(event.shiftKey);
      else if (event.key === 'Escape') {
        onAsk('');
        box.current?.focus();
      } else return;
    } else if (event.key === '/') input.current?.select();
    else if (event.key === 'n' || event.key === 'N') step(event.key === 'N');
    else if (event.key === 'g') {
      pause();
      box.current!.scrollTop = 0;
    } else if (event.key === 'G') toEnd();
    else if (event.key === 'f') {
      if (following.current) pause();
      else toEnd();
    } else {
      if (event.key === 'ArrowUp' || event.key === 'PageUp' || event.key === 'Home') pause();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const marks = useMemo(() => (expression === '' ? null : markable(expression)), [expression]);
  const unseen = isFollowing ? 0 : source.count - source.shift - seen;
  const isNothing = source.isLoaded && rows === 0 && search.isDone;
  const drawnRows = [];
  let lastNumber = 0;
  for (let at = from; at < to; at++) {
    const one = picked?.[at];
    const line = source.row(one === undefined ? at : one.line - 1);
    const row = one === undefined ? at : one.line - 1;
    lastNumber = Math.max(lastNumber, line?.line ?? row + 1);
    drawnRows.push(
      <Row
        key={one?.line ?? at - source.shift}
        at={at}
        line={line}
        tag={isMerged && line !== undefined ? `#${line.part}` : undefined}
        isTimed={isTimed}
        isHit={expression !== '' && (one?.isHit ?? search.isHit(row))}
        isCurrent={row === current}
        isLinked={row === linkedRow}
        isAfterGap={(one ?? line)?.isAfterGap === true && at > 0}
        isExpanded={line !== undefined && expanded.has(`${line.part}:${line.line}`)}
        marks={marks}
        onLink={onLink}
        onExpand={onExpand}
      />,
    );
  }
  if (source.refused !== null && expression === '') return <ErrorPanel error={source.refused} />;
  const fault = search.fault ?? (source.refused === null ? null : source.refused.message);
  return (
    <div className="log-view" onKeyDown={onKeyDown} role="group" aria-label="Output">
      <div className="log-tools">
        <TextInput
          ref={input}
          size="xs"
          className="log-search"
          aria-label="Search the output"
          placeholder="Search (regular expression)"
          leftSection={<Icon name="search" size={13} />}
          value={asked}
          error={fault}
          onChange={(event) => onAsk(event.currentTarget.value)}
        />
        {expression !== '' && fault === null && (
          <>
            <span className="dim figure" role="status">
              {search.told(current)}
            </span>
            <Button.Group>
              <Button size="compact-xs" variant="default" onClick={() => step(true)} aria-label="Match before (N)">
                ↑
              </Button>
              <Button size="compact-xs" variant="default" onClick={() => step(false)} aria-label="Next match (n)">
                ↓
              </Button>
            </Button.Group>
            {search.picked !== null && <Toggle name="Matches only" isOn={isOnly} onClick={() => setOnly(!isOnly)} />}
          </>
        )}
        <span className="grow" />
        <Toggle name="Wrap" isOn={isWrapped} onClick={() => setWrapped(!isWrapped)} />
        <Toggle name="Times" isOn={isTimed} onClick={() => setTimed(!isTimed)} />
        <Button size="compact-xs" variant="default" component="a" href={whole} download={`${name}.log`}>
          Download
        </Button>
      </div>
      <div className="log-frame">
        <div
          className="log"
          ref={box}
          role="log"
          aria-label="Lines"
          aria-live="off"
          aria-busy={!source.isLoaded && source.refused === null}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
          tabIndex={0}
          data-wrap={isWrapped || undefined}
          style={
            {
              '--log-digits': String(Math.max(3, String(lastNumber).length)),
            } as React.CSSProperties
          }
          onScroll={onScroll}
          onWheel={(event) => event.deltaY < 0 && pause()}
          onTouchMove={() => pause()}
          onPointerDown={(event) => {
            isHeld.current = event.target === box.current;
          }}
          onPointerUp={() => {
            isHeld.current = false;
          }}
        >
          {isNothing && <span className="dim">{nothing(expression !== '', source.isEnded)}</span>}
          {isAll ? (
            drawnRows
          ) : (
            <div className="log-size" style={{ height: innerPx(geometry) }}>
              <div ref={block}>{drawnRows}</div>
            </div>
          )}
        </div>
        {(unseen > 0 || (source.isDetached && !isFollowing)) && (
          <Button className="log-new" size="compact-sm" onClick={toEnd}>
            {unseen > 0 ? `${count(unseen, 'new line')} ↓` : 'To the newest ↓'}
          </Button>
        )}
      </div>
      <div className="log-foot">
        <button
          type="button"
          className="log-state"
          aria-pressed={isFollowing}
          onClick={() => (isFollowing ? pause() : toEnd())}
        >
          {source.isEnded ? `The end, ${count(source.count, 'line')}` : isFollowing ? 'Following' : 'Paused'}
        </button>
        <span className="not-phone dim">
          <kbd>/</kbd> search <kbd>n</kbd> <kbd>N</kbd> next, before <kbd>g</kbd> <kbd>G</kbd> begin, end <kbd>f</kbd>{' '}
          follow
        </span>
      </div>
    </div>
  );
}

function nothing(isSearched: boolean, isEnded: boolean): string {
  if (isSearched) return 'No line matches.';
  return isEnded ? 'It wrote nothing.' : 'Nothing so far…';
}

function Toggle({ name, isOn, onClick }: { name: string; isOn: boolean; onClick: () => void }) {
  return (
    <Button size="compact-xs" variant={isOn ? 'light' : 'default'} aria-pressed={isOn} onClick={onClick}>
      {name}
    </Button>
  );
}
