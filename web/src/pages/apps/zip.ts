// Zip: the names in an archive, from its central directory (PKWARE APPNOTE 4.3.12). Only that part of the file is read.
const END = 0x06054b50;
const ENTRY = 0x02014b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;
const MOST_BYTES = 8 * 1024 * 1024; // of the directory: a hundred thousand entries

/** Null where it is none, or too large to be looked at here. */
export async function namesInZip(file: Blob): Promise<string[] | null> {
  const tailAt = Math.max(0, file.size - END_BYTES - LONGEST_COMMENT);
  const tail = new DataView(await file.slice(tailAt).arrayBuffer());
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    const size = tail.getUint32(at + 12, true);
    const from = tail.getUint32(at + 16, true);
    if (size > MOST_BYTES || from + size > file.size) return null;
    return namesIn(new DataView(await file.slice(from, from + size).arrayBuffer()));
  }
  return null;
}

function namesIn(directory: DataView): string[] | null {
  const names: string[] = [];
  const text = new TextDecoder();
  for (let at = 0; at + 46 <= directory.byteLength; ) {
    if (directory.getUint32(at, true) !== ENTRY) return null;
    const length = directory.getUint16(at + 28, true);
    names.push(text.decode(new Uint8Array(directory.buffer, at + 46, length)));
    at += 46 + length + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  return names;
}
