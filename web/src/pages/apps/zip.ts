// Zip: the names in an archive, from its central directory (PKWARE APPNOTE 4.3.12), and the texts of small files in it.
const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const LOCAL_BYTES = 30;
const LONGEST_COMMENT = 65_535;
const MOST_BYTES = 8 * 1024 * 1024; // of the directory: a hundred thousand entries
const STORED = 0;
const DEFLATED = 8;

export interface ZipEntry {
  name: string;
  method: number;
  packed: number; // bytes
  size: number;
  at: number; // of its local header
}

/** Null where it is none, or too large to be looked at here. */
export async function entriesInZip(file: Blob): Promise<ZipEntry[] | null> {
  const tailAt = Math.max(0, file.size - END_BYTES - LONGEST_COMMENT);
  const tail = new DataView(await file.slice(tailAt).arrayBuffer());
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    const size = tail.getUint32(at + 12, true);
    const from = tail.getUint32(at + 16, true);
    if (size > MOST_BYTES || from + size > file.size) return null;
    return entriesIn(new DataView(await file.slice(from, from + size).arrayBuffer()));
  }
  return null;
}

function entriesIn(directory: DataView): ZipEntry[] | null {
  const entries: ZipEntry[] = [];
  const text = new TextDecoder();
  for (let at = 0; at + 46 <= directory.byteLength; ) {
    if (directory.getUint32(at, true) !== ENTRY) return null;
    const length = directory.getUint16(at + 28, true);
    entries.push({
      name: text.decode(new Uint8Array(directory.buffer, at + 46, length)),
      method: directory.getUint16(at + 10, true),
      packed: directory.getUint32(at + 20, true),
      size: directory.getUint32(at + 24, true),
      at: directory.getUint32(at + 42, true),
    });
    at += 46 + length + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  return entries;
}

/** Null where it is longer than `most` bytes or packed in another way. */
export async function textInZip(file: Blob, entry: ZipEntry, most: number): Promise<string | null> {
  if (entry.size > most || entry.packed > most || (entry.method !== STORED && entry.method !== DEFLATED)) return null;
  const head = new DataView(await file.slice(entry.at, entry.at + LOCAL_BYTES).arrayBuffer());
  if (head.byteLength < LOCAL_BYTES || head.getUint32(0, true) !== LOCAL) return null;
  const from = entry.at + LOCAL_BYTES + head.getUint16(26, true) + head.getUint16(28, true);
  const content = file.slice(from, from + entry.packed);
  if (entry.method === STORED) return content.text();
  return new Response(content.stream().pipeThrough(new DecompressionStream('deflate-raw'))).text();
}
