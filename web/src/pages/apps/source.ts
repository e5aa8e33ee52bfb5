// Source: what is sent to be built: an archive as it is, or a folder that is packed here.
import { isLeftOut, withoutTop } from './recognise';
import { tarEnd, tarHead, tarPadding } from './tar';
import { namesInZip } from './zip';

export interface Source {
  /** Of the file or folder. */
  name: string;
  kind: 'archive' | 'folder';
  size: number;
  /** Null where the list cannot be read here. */
  paths: string[] | null;
  leftOut: number;
  /** The archive. */
  pack: () => Promise<Blob>;
}

/** A zip, tar or tar.gz. */
export async function archiveSource(file: File): Promise<Source> {
  const paths = file.name.toLowerCase().endsWith('.zip') ? await namesInZip(file).catch(() => null) : null;
  return { name: file.name, kind: 'archive', size: file.size, paths, leftOut: 0, pack: () => Promise.resolve(file) };
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
    pack: () => packed(kept),
  };
}

/** A tar.gz. Files are read as it is made, one after another. */
function packed(entries: Entry[]): Promise<Blob> {
  const parts = entries.flatMap(({ path, file }) => [tarHead(path, file.size), file, tarPadding(file.size)]);
  const tar = new Blob([...parts, tarEnd()]);
  return new Response(tar.stream().pipeThrough(new CompressionStream('gzip'))).blob();
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
