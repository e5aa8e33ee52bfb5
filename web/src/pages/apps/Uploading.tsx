// Uploading: a source on its way, with what is true of it: packed, sent, cut and going on by itself.
import { Button, Group, Text } from '@mantine/core';
import { bytes } from '../../lib/amounts';
import { Duration } from '../../ui/TimeAgo';
import { StepList } from './StepList';
import type { Cut } from './upload';

export interface Progress {
  sent: number;
  total: number;
  isPacking: boolean;
  cut: Cut | null;
}

interface UploadingProps {
  progress: Progress;
  /** Whether an app is put after the build. */
  isDeployed: boolean;
  cancel: () => void;
}

export function Uploading({ progress, isDeployed, cancel }: UploadingProps) {
  const { sent, total, isPacking, cut } = progress;
  const share = total > 0 ? Math.min(100, Math.floor((100 * sent) / total)) : 0;
  const todo = { state: 'todo', from: null, to: null, detail: '' } as const;
  const so = `${share} %, ${bytes(sent)} of ${bytes(total)}`;
  return (
    <StepList
      label="Deployment"
      steps={[
        {
          ...todo,
          name: 'source',
          label: isPacking ? 'Packing the folder' : 'Uploading',
          state: 'now',
          detail: so,
        },
        { ...todo, name: 'queued', label: 'Queued' },
        { ...todo, name: 'building', label: 'Build' },
        ...(isDeployed
          ? ([
              { ...todo, name: 'rolling', label: 'Roll out' },
              { ...todo, name: 'live', label: 'Live' },
            ] as const)
          : []),
      ]}
      under={(step) =>
        step.name === 'source' && (
          <div>
            <Group gap="sm" wrap="nowrap">
              <progress
                className="upload"
                value={sent}
                max={Math.max(1, total)}
                aria-label={isPacking ? 'Packing' : 'Upload'}
              />
              <Button size="compact-xs" variant="default" onClick={cancel}>
                Cancel
              </Button>
            </Group>
            <Text size="sm" role="status" mt={cut === null ? 0 : 6}>
              {cut !== null && (
                <>
                  {cut.told === '' ? 'The connection is lost' : `The controller cannot take it now (${cut.told})`}
                  {Date.now() - cut.at >= 1000 && (
                    <>
                      , for <Duration from={new Date(cut.at).toISOString()} to={null} />
                    </>
                  )}
                  . The upload goes on by itself from what the controller has; keep this tab open.
                </>
              )}
            </Text>
          </div>
        )
      }
    />
  );
}
