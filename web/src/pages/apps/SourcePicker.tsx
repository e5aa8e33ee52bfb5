// SourcePicker: a folder or an archive, dropped or chosen, and what it looks like.
import { Button, Text } from '@mantine/core';
import { type DragEvent, useRef, useState } from 'react';
import { bytes, count } from '../../lib/amounts';
import { isArchive } from './names';
import { archiveSource, droppedSource, folderSource, type Source } from './source';

interface SourcePickerProps {
  source: Source | null;
  choose: (source: Source | null) => void;
  fault: string | undefined;
}

export function SourcePicker({ source, choose, fault }: SourcePickerProps) {
  const [isOver, setOver] = useState(false);
  const [wrong, setWrong] = useState<string>();
  const archive = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  const take = async (found: Promise<Source>) => {
    try {
      const made = await found;
      if (made.kind === 'archive' && !isArchive(made.name)) throw new Error(`${made.name} is no zip, tar or tar.gz.`);
      if (made.paths?.length === 0) throw new Error(`There is no file in ${made.name}.`);
      setWrong(undefined);
      choose(made);
    } catch (error) {
      choose(null);
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take(droppedSource(event.dataTransfer));
  };
  const onFolder = (files: FileList | null) => {
    if (files === null || files.length === 0) return;
    const entries = [...files].map((file) => ({ path: file.webkitRelativePath, file }));
    void take(Promise.resolve(folderSource(entries[0]!.path.split('/')[0]!, entries)));
  };
  const told = wrong ?? fault;
  return (
    <div>
      <div
        className="drop"
        data-over={isOver}
        role="group"
        aria-label="What is built"
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        {source === null ? (
          <Text size="sm">Drop a folder here, or a zip, tar or tar.gz</Text>
        ) : (
          <Told source={source} />
        )}
        <div className="drop-files">
          <Button size="xs" variant="default" onClick={() => folder.current?.click()}>
            Choose a folder
          </Button>
          <Button size="xs" variant="default" onClick={() => archive.current?.click()}>
            Choose an archive
          </Button>
        </div>
        <input
          ref={archive}
          type="file"
          hidden
          aria-label="Archive"
          accept=".zip,.tar,.tgz,.gz"
          onChange={(event) => {
            const [file] = event.currentTarget.files ?? [];
            if (file !== undefined) void take(archiveSource(file));
          }}
        />
        <input
          ref={folder}
          type="file"
          hidden
          aria-label="Folder"
          {...{ webkitdirectory: '' }}
          onChange={(event) => onFolder(event.currentTarget.files)}
        />
      </div>
      {told && (
        <Text size="xs" c="var(--mantine-color-error)" mt={4} role="alert">
          {told}
        </Text>
      )}
    </div>
  );
}

function Told({ source }: { source: Source }) {
  return (
    <div>
      <Text size="sm">
        <b>{source.name}</b>, {bytes(source.size)}
        {source.paths !== null && `, ${count(source.paths.length, 'file')}`}
      </Text>
      {source.paths === null && (
        <Text size="sm" c="dimmed">
          The builder looks into it and says what it is.
        </Text>
      )}
      {source.leftOut > 0 && (
        <Text size="sm" c="dimmed">
          {count(source.leftOut, 'file')} left out: .git, node_modules, virtual environments.
        </Text>
      )}
      {source.kind === 'folder' && source.paths?.includes('.gitignore') && (
        <Text size="sm" c="dimmed">
          .gitignore is not looked at here; draas deploy on the command line does.
        </Text>
      )}
    </div>
  );
}
