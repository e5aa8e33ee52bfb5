import { describe, expect, it } from 'vitest';
import { parseAnsi, plainText } from './ansi';

const ESC = '\u001b';

describe('parseAnsi', () => {
  it('leaves plain text as it is', () => {
    expect(parseAnsi('a <b> & c\tü 🚀')).toEqual([{ text: 'a <b> & c\tü 🚀' }]);
    expect(parseAnsi('')).toEqual([]);
  });
  it('knows colours and styles, and where they end', () => {
    expect(parseAnsi(`${ESC}[1;31mred${ESC}[0m plain ${ESC}[4mline${ESC}[24m.`)).toEqual([
      { text: 'red', fg: 1, bold: true },
      { text: ' plain ' },
      { text: 'line', underline: true },
      { text: '.' },
    ]);
    expect(parseAnsi(`${ESC}[97;104mx${ESC}[39;49my`)).toEqual([{ text: 'x', fg: 15, bg: 12 }, { text: 'y' }]);
  });
  it('takes 256 and 24-bit colours to the nearest of sixteen', () => {
    expect(parseAnsi(`${ESC}[38;5;196mx`)).toEqual([{ text: 'x', fg: 9 }]);
    expect(parseAnsi(`${ESC}[38;2;0;128;0mx`)).toEqual([{ text: 'x', fg: 2 }]);
    expect(parseAnsi(`${ESC}[48;5;250mx`)).toEqual([{ text: 'x', bg: 7 }]);
    expect(parseAnsi(`${ESC}[38;5mx${ESC}[38;2;1mx${ESC}[38;5;999mx`).map((span) => span.text)).toEqual([
      'x',
      'x',
      'x',
    ]);
  });
  it('shows what was written last where a line was written over', () => {
    expect(plainText('10%\r50%\r100%')).toBe('100%');
    expect(plainText('done\r')).toBe('done');
  });
  it.each([
    ['a title', `${ESC}]0;hurt\u0007text`, 'text'],
    ['a link', `${ESC}]8;;javascript:hurt()${ESC}\\text${ESC}]8;;${ESC}\\`, 'text'],
    ['a clipboard write', `${ESC}]52;c;aHVydA==\u0007text`, 'text'],
    ['a device string', `${ESC}P1$rhurt${ESC}\\text`, 'text'],
    ['one-byte introducers', '\u009b31mtext\u009dhurt\u009c.', 'text.'],
    ['cursor and screen', `${ESC}[2J${ESC}[1;1H${ESC}[?25ltext${ESC}c`, 'text'],
    ['another alphabet', `${ESC}(0text${ESC}(B`, 'text'],
    ['a private sequence with m', `${ESC}[>4;2mtext`, 'text'],
    ['nothing behind an escape', `text${ESC}`, 'text'],
    ['an escape within a sequence', `${ESC}[3${ESC}[1mtext`, 'text'],
    ['no end of a sequence', `text${ESC}[31`, 'text'],
    ['a null and a backspace', 'a\u0000b\u0008c', 'a␀b␈c'],
    ['markup', `${ESC}[1m<img src=x onerror=hurt()>`, '<img src=x onerror=hurt()>'],
  ])('drops %s', (_, line, text) => {
    expect(plainText(line)).toBe(text);
  });
  it('is linear and leaves no control character, whatever comes', () => {
    const pieces = [ESC, '[', ']', ';', '38', '5', 'm', 'x', '\u009b', '\u0007', 'P', '\\', '\u0000', '\r'];
    let seed = 7;
    for (let round = 0; round < 2000; round++) {
      let line = '';
      for (let at = 0; at < 40; at++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        line += pieces[seed % pieces.length];
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(plainText(line)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    }
    expect(parseAnsi(`${ESC}[`.repeat(200_000))).toEqual([]);
    expect(parseAnsi(`${ESC}]`.repeat(50_000)).length).toBeLessThan(50);
  });
});
