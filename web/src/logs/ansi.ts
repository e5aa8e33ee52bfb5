// Ansi: a line of output as spans of text with looks. Escape sequences never reach the page; what they say besides
// colours (titles, links, cursor, screens) is dropped. Pure.

export interface Look {
  fg?: number; // 0..15, the terminal's palette
  bg?: number;
  bold?: true;
  dim?: true;
  italic?: true;
  underline?: true;
  inverse?: true;
  strike?: true;
}
export interface Span extends Look {
  text: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const SPECIAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const CONTROL_PICTURES = 0x2400;
const LONGEST_SEQUENCE = 4096; // an escape string without an end takes no more of a line than this

/** The spans of one line, in order, their texts free of control characters. Never throws. */
export function parseAnsi(line: string): Span[] {
  if (!SPECIAL.test(line)) return line === '' ? [] : [{ text: line }];
  const source = lastWritten(line);
  const spans: Span[] = [];
  let look: Look = {};
  let text = '';
  const close = () => {
    if (text !== '') spans.push({ text, ...look });
    text = '';
  };
  for (let at = 0; at < source.length; ) {
    const code = source.charCodeAt(at);
    if (code === 0x1b || code === 0x9b || code === 0x9d || code === 0x90) {
      const found = sequenceAt(source, at);
      if (found.colours !== null) {
        close();
        look = withColours(look, found.colours);
      }
      at = found.end;
      continue;
    }
    if (code < 0x20 && code !== 0x09) text += String.fromCharCode(CONTROL_PICTURES + code);
    else if (code === 0x7f) text += '\u2421';
    else if (code > 0x7f && code < 0xa0) text += '\ufffd';
    else text += source[at];
    at++;
  }
  close();
  return spans;
}

/** The text alone. */
export const plainText = (line: string): string =>
  SPECIAL.test(line)
    ? parseAnsi(line)
        .map((span) => span.text)
        .join('')
    : line;

/** A terminal shows what was written last where a line was written over (progress bars). */
function lastWritten(line: string): string {
  if (!line.includes('\r')) return line;
  return line.split('\r').findLast((part) => part !== '') ?? '';
}

interface Sequence {
  end: number;
  /** The parameters of a sequence that sets colours. */
  colours: number[] | null;
}

/** The escape sequence that begins at `at`, by ECMA-48. One that has no end is dropped as far as it is one. */
function sequenceAt(text: string, at: number): Sequence {
  const isOneByte = text.charCodeAt(at) !== 0x1b;
  const kind = isOneByte ? ({ 155: '[', 157: ']', 144: 'P' } as const)[text.charCodeAt(at)] : text[at + 1];
  const from = at + (isOneByte ? 1 : 2);
  if (kind === '[') return controlAt(text, from);
  if (kind === ']' || kind === 'P' || kind === '_' || kind === '^' || kind === 'X') {
    return { end: stringEnd(text, from), colours: null };
  }
  if (kind !== undefined && '()*+-./ #%'.includes(kind)) return { end: Math.min(text.length, from + 1), colours: null };
  const isFinal = kind !== undefined && kind >= '0' && kind <= '~';
  return { end: at + (isFinal ? 2 : 1), colours: null };
}

function controlAt(text: string, from: number): Sequence {
  const last = Math.min(text.length, from + LONGEST_SEQUENCE);
  for (let at = from; at < last; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x40 && code <= 0x7e) {
      const isColours = code === 0x6d && /^[0-9;:]*$/.test(text.slice(from, at));
      return { end: at + 1, colours: isColours ? numbersOf(text.slice(from, at)) : null };
    }
    if (code < 0x20 || code > 0x3f) return { end: at, colours: null }; // it is none
  }
  return { end: last, colours: null };
}

function stringEnd(text: string, from: number): number {
  const last = Math.min(text.length, from + LONGEST_SEQUENCE);
  for (let at = from; at < last; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x07 || code === 0x9c) return at + 1;
    if (code === 0x1b && text[at + 1] === '\\') return at + 2;
  }
  return last;
}

const numbersOf = (parameters: string): number[] =>
  parameters
    .split(/[;:]/)
    .slice(0, 64)
    .map((word) => (word === '' ? 0 : Math.min(Number(word), 999)));

function withColours(before: Look, numbers: number[]): Look {
  const look = { ...before };
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at]!;
    if (code === 0) for (const name of Object.keys(look)) delete look[name as keyof Look];
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4 || code === 21) look.underline = true;
    else if (code === 7) look.inverse = true;
    else if (code === 9) look.strike = true;
    else if (code === 22) {
      delete look.bold;
      delete look.dim;
    } else if (code === 23) delete look.italic;
    else if (code === 24) delete look.underline;
    else if (code === 27) delete look.inverse;
    else if (code === 29) delete look.strike;
    else if (code >= 30 && code <= 37) look.fg = code - 30;
    else if (code >= 90 && code <= 97) look.fg = code - 82;
    else if (code >= 40 && code <= 47) look.bg = code - 40;
    else if (code >= 100 && code <= 107) look.bg = code - 92;
    else if (code === 39) delete look.fg;
    else if (code === 49) delete look.bg;
    else if (code === 38 || code === 48) {
      const [colour, taken] = extended(numbers, at + 1);
      if (colour !== null) look[code === 38 ? 'fg' : 'bg'] = colour;
      at += taken;
    }
  }
  return look;
}

/** "5;N" or "2;R;G;B" as the nearest of the palette's sixteen, which are readable in both themes; and how many numbers it took. */
function extended(numbers: number[], at: number): [number | null, number] {
  if (numbers[at] === 5) {
    const colour = numbers[at + 1];
    if (colour === undefined || colour > 255) return [null, 2];
    if (colour < 16) return [colour, 2];
    if (colour > 231) return [colour < 244 ? 8 : 7, 2];
    const cube = colour - 16;
    const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step);
    return [nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)), 2];
  }
  if (numbers[at] === 2) {
    const [red, green, blue] = numbers.slice(at + 1, at + 4);
    if (red === undefined || green === undefined || blue === undefined) return [null, 4];
    return [nearest(Math.min(red, 255), Math.min(green, 255), Math.min(blue, 255)), 4];
  }
  return [null, 1];
}

function nearest(red: number, green: number, blue: number): number {
  const most = Math.max(red, green, blue);
  if (most - Math.min(red, green, blue) < 40) return most > 170 ? 7 : most > 60 ? 8 : 0;
  const half = most * 0.6;
  const hue = (red > half ? 1 : 0) + (green > half ? 2 : 0) + (blue > half ? 4 : 0);
  return hue + (most > 200 ? 8 : 0);
}
