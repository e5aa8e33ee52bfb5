// Tar: the head of a file in an archive, by POSIX.1-2001 (pax). Pure.
const BLOCK = 512;
const NAME = 100;

const utf8 = new TextEncoder();

/** What stands before a file's content: its head, and before that its long or foreign name where it has one. */
export function tarHead(path: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = utf8.encode(path);
  if (bytes.length <= NAME && bytes.length === path.length) return head(path, size, '0');
  const record = paxRecord('path', path);
  const more = new Uint8Array(BLOCK + padded(record.length) + BLOCK);
  more.set(head('pax', record.length, 'x'));
  more.set(record, BLOCK);
  more.set(head(path.replace(/[^\x20-\x7e]/g, '_').slice(-NAME), size, '0'), BLOCK + padded(record.length));
  return more;
}

/** Zeros after a file's content, up to a whole block. */
export const tarPadding = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(padded(size) - size);

/** What ends an archive. */
export const tarEnd = (): Uint8Array<ArrayBuffer> => new Uint8Array(2 * BLOCK);

const padded = (size: number) => Math.ceil(size / BLOCK) * BLOCK;

/** "LENGTH name=value\n", where LENGTH counts itself. */
function paxRecord(name: string, value: string): Uint8Array {
  const rest = utf8.encode(` ${name}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return utf8.encode(`${length} ${name}=${value}\n`);
}

function head(name: string, size: number, type: string): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => block.set(utf8.encode(text), at);
  put(name, 0);
  put('0000755\0', 100); // a browser does not say what may be run
  put('0000000\0', 108);
  put('0000000\0', 116);
  put(`${size.toString(8).padStart(11, '0')}\0`, 124);
  put('00000000000\0', 136); // the same files make the same archive
  put('        ', 148);
  put(type, 156);
  put('ustar\0' + '00', 257);
  const sum = block.reduce((all, byte) => all + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
