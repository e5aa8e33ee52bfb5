// Row: a line of output: its number (a link), its time and replica where wanted, its text. What it says is text and never markup.

import { memo } from 'react';
import { grouped } from '../lib/amounts';
import { parseAnsi, type Span } from './ansi';
import { indentJson, looksLikeJson } from './json';
import { levelOf } from './level';
import { cutBy, marksIn } from './marks';
import type { LogLine } from './source';

const SHOWN_CHARACTERS = 4000; // of a line that nobody has expanded

interface RowProps {
  at: number; // which row of the view it is
  line: LogLine | undefined;
  /** "#3": of a replica, where several are merged. */
  tag?: string | undefined;
  isTimed: boolean;
  isHit: boolean;
  isCurrent: boolean;
  isLinked: boolean;
  isAfterGap: boolean;
  isExpanded: boolean;
  marks: RegExp | null;
  onLink: (line: LogLine) => void;
  onExpand: (line: LogLine) => void;
}

export const Row = memo(function Row(props: RowProps) {
  const { at, line, tag, isTimed, isHit, isCurrent, isLinked, isAfterGap, isExpanded, marks } = props;
  if (line === undefined) {
    return (
      <div className="log-row" data-row={at} data-loading="">
        <span className="log-text">{'\n'}</span>
      </div>
    );
  }
  const isLong = line.text.length > SHOWN_CHARACTERS;
  const spans = parseAnsi(isLong && !isExpanded ? line.text.slice(0, SHOWN_CHARACTERS) : line.text);
  const text = spans.length === 1 ? spans[0]!.text : spans.map((span) => span.text).join('');
  const isJson = looksLikeJson(isLong && !isExpanded ? line.text : text);
  const spread = isExpanded && isJson ? indentJson(text) : null;
  return (
    <div
      className="log-row"
      data-row={at}
      data-stream={line.stream}
      data-level={levelOf(text) ?? undefined}
      data-hit={isHit || undefined}
      data-current={isCurrent || undefined}
      data-linked={isLinked || undefined}
      data-gap={isAfterGap || undefined}
    >
      {/* biome-ignore lint/a11y/useAnchorContent: its label says what it is; the number is drawn by the style sheet, so that copied output has none */}
      <a
        className="log-no"
        href={`#L${line.part}.${line.line}`}
        data-told={line.line}
        aria-label={`Link to line ${line.line}`}
        tabIndex={-1}
        onClick={(event) => {
          event.preventDefault();
          props.onLink(line);
        }}
      />
      {isTimed && <span className="log-at" data-told={clockOf(line.at)} title={line.at} />}
      {tag !== undefined && <span className="log-part" data-told={tag} data-colour={line.part % 8} />}
      {isJson && (
        <button
          type="button"
          className="log-expand"
          aria-expanded={isExpanded}
          aria-label={isExpanded ? 'Fold the JSON' : 'Spread the JSON'}
          onClick={() => props.onExpand(line)}
        />
      )}
      <span className="log-text">
        {spread ?? <Spans spans={spans} text={text} marks={isHit ? marks : null} />}
        {isLong && !isJson && (
          <button type="button" className="log-more" onClick={() => props.onExpand(line)}>
            {isExpanded ? 'less' : `and ${grouped(line.text.length - SHOWN_CHARACTERS)} characters more`}
          </button>
        )}
        {'\n'}
      </span>
    </div>
  );
});

/** In the reader's own time. */
function clockOf(at: string): string {
  if (at === '') return '';
  const time = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

function Spans({ spans, text, marks }: { spans: Span[]; text: string; marks: RegExp | null }) {
  const ranges = marksIn(text, marks);
  if (ranges.length === 0 && spans.length === 1 && Object.keys(spans[0]!).length === 1) return text;
  let at = 0;
  return spans.map((span, number) => {
    const from = at;
    at += span.text.length;
    const pieces = cutBy(ranges, from, at).map(([begin, end, isMarked]) =>
      isMarked ? <mark key={begin}>{text.slice(begin, end)}</mark> : text.slice(begin, end),
    );
    return (
      <span key={number} className={classOf(span)}>
        {pieces}
      </span>
    );
  });
}

function classOf(span: Span): string | undefined {
  const names: string[] = [];
  const [fg, bg] = span.inverse ? [span.bg, span.fg ?? 7] : [span.fg, span.bg];
  if (fg !== undefined) names.push(`ansi-${fg}`);
  if (bg !== undefined) names.push(`ansi-on-${bg}`);
  for (const name of ['bold', 'dim', 'italic', 'underline', 'strike'] as const)
    if (span[name]) names.push(`ansi-${name}`);
  return names.join(' ') || undefined;
}
