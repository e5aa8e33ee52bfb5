// Copying: an id, or a line to paste into a terminal.
import { ActionIcon } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { Icon } from './icons';

export function CopyButton({ value, label }: { value: string; label: string }) {
  const clipboard = useClipboard({ timeout: 1500 });
  const told = clipboard.copied ? 'Copied' : label;
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      size="sm"
      aria-label={told}
      title={told}
      onClick={(event) => {
        event.stopPropagation();
        clipboard.copy(value);
      }}
    >
      <Icon name={clipboard.copied ? 'check' : 'copy'} size={14} />
    </ActionIcon>
  );
}

/** An id that is shown whole and copied with a click. */
export function CopyId({ id }: { id: string }) {
  return (
    <span className="copy-id">
      <code>{id}</code>
      <CopyButton value={id} label="Copy id" />
    </span>
  );
}

/** A line for the terminal. */
export function CopyLine({ line, label = 'Copy' }: { line: string; label?: string }) {
  return (
    <span className="copy-line">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by the keyboard */}
      <code tabIndex={0}>{line}</code>
      <CopyButton value={line} label={label} />
    </span>
  );
}

/** How the command line does what this page shows. */
export function SameAs({ command }: { command: string }) {
  return (
    <p className="same-as">
      <span>Same as</span>
      <CopyLine line={command} label="Copy command" />
    </p>
  );
}
