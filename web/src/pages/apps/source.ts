// Source: what is sent to be built: an archive as it is, or a folder that is packed here.
import { isLeftOut, withoutTop } from './leftOut';
import { tarEnd, tarHead, tarPadding } from './tar';
import { entriesInZip, textInZip } from './zip';

export interface Source {
  /** Of the file or folder. */
  name: string;
  kind: 'archive' | 'folder';
  size: number;
  /** Null where the list cannot be read here. */
  paths: string[] | null;
  leftOut: number;
  /** Tells one choice from another of the same name. */
  chosenAt: number;
  /** The archive. `onRead` is told how many bytes have gone into it. */
  pack: (signal: AbortSignal, onRead: (bytes: number) => void) => Promise<Blob>;
  /** The text of a file; null where it cannot be had here. */
  read: (path: string) => Promise<string | null>;
}

const MOST_READ = 256 * 1024; // as the builder reads of a manifest

/** A zip, tar or tar.gz. */
export async function archiveSource(file: File): Promise<Source> {
  const entries = file.name.toLowerCase().endsWith('.zip') ? await entriesInZip(file).catch(() => null) : null;
  return {
    name: file.name,
    kind: 'archive',
    size: file.size,
    paths: entries?.map(({ name }) => name) ?? null,
    leftOut: 0,
    chosenAt: performance.now(),
    pack: () => Promise.resolve(file),
    read: async (path) => {
      const entry = entries?.find(({ name }) => name === path);
      return entry === undefined ? null : textInZip(file, entry, MOST_READ).catch(() => null);
    },
  };
}

export interface Entry {
  path: string;
  file: File;
}

/** A folder, from its files with their paths, the folder's own name first. */
export function folderSource(name: string, all: Entry[]): Source {
  const inside = all.map(({ path, file }) => ({ path: withoutTop(path), file }));
  const kept = inside.filter(({ path }) => !isLeftOut(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    name,
    kind: 'folder',
    size: kept.reduce((sum, { file }) => sum + file.size, 0),
    paths: kept.map(({ path }) => path),
    leftOut: all.length - kept.length,
    chosenAt: performance.now(),
    pack: (signal, onRead) => packed(kept, signal, onRead),
    read: async (path) => {
      const found = kept.find((entry) => entry.path === path);
      return found === undefined || found.file.size > MOST_READ ? null : found.file.text().catch(() => null);
    },
  };
}

/** A tar.gz. Files are read as it is made, one after another. */
function packed(entries: Entry[], signal: AbortSignal, onRead: (bytes: number) => void): Promise<Blob> {
  const parts = entries.flatMap(({ path, file }) => [tarHead(path, file.size), file, tarPadding(file.size)]);
  const tar = new Blob([...parts, tarEnd()]);
  let read = 0;
  const counted = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (piece, out) => {
      read += piece.byteLength;
      onRead(read);
      out.enqueue(piece);
    },
  });
  const packing = tar.stream().pipeThrough(counted, { signal }).pipeThrough(new CompressionStream('gzip'));
  return new Response(packing).blob();
}

/** What was dropped: one archive, or one folder. Throws Error in words for people. */
export async function droppedSource(data: DataTransfer): Promise<Source> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const [first] = entries;
  if (first === undefined || entries.length > 1) throw new Error('Drop one folder, or one zip or tar.gz.');
  if (first.isFile) return archiveSource(data.files[0]!);
  const found: Entry[] = [];
  await collect(first as FileSystemDirectoryEntry, `${first.name}/`, found);
  return folderSource(first.name, found);
}

async function collect(folder: FileSystemDirectoryEntry, path: string, found: Entry[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return; // browsers give a hundred at a time
    for (const entry of some) {
      const inside = path + entry.name;
      if (isLeftOut(withoutTop(inside))) continue;
      if (entry.isDirectory) await collect(entry as FileSystemDirectoryEntry, `${inside}/`, found);
      else {
        const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
        found.push({ path: inside, file });
      }
    }
  }
}
