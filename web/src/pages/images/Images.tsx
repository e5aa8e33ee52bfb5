// Images: what the controller's registry keeps, why it stays, where it is; and removing what nobody needs.
import { Button, Modal, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, OWN_PAGE, type Schemas, take } from '../../api/client';
import { problemOf } from '../../api/problem';
import { imagePlanQuery, imagesQuery, keys } from '../../api/queries';
import { bytes, count } from '../../lib/amounts';
import { freshKey } from '../../lib/key';
import { shellQuote } from '../../lib/shell';
import { useAct } from '../../ui/act';
import { CopyId, CopyLine } from '../../ui/Copy';
import { type Column, DataTable } from '../../ui/DataTable';
import { useMay } from '../../ui/may';
import { Facts, Page } from '../../ui/Page';
import { Answer, EmptyState } from '../../ui/states';
import { TimeAgo } from '../../ui/TimeAgo';
import { imagesRoute } from './route';
import { exactName, type Image, nameToRun, pathOf, type Removal, removalKind, shortDigest } from './words';

type Removals = Schemas['RemovalList'];

export function Images() {
  const { repository } = imagesRoute.useSearch();
  const images = useQuery(imagesQuery);
  const mayAdminister = useMay('administer');
  const [isPruning, pruning] = useDisclosure(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const shown = (images.data?.items ?? []).filter((image) => !repository || image.repository === repository);
  const image = shown.find((one) => exactName(one) === chosen);
  const columns: Column<Image>[] = [
    {
      name: 'Image',
      width: 'minmax(9rem, 1.6fr)',
      cell: (one) => (
        <button type="button" className="link" onClick={() => setChosen(exactName(one))}>
          {one.repository}
          {one.tags.length > 0 ? `:${one.tags[0]}` : ''}
        </button>
      ),
    },
    {
      name: 'Tags',
      width: 'minmax(6rem, 1fr)',
      wide: true,
      cell: (one) => one.tags.join(', ') || <code className="dim">{shortDigest(one.digest)}</code>,
    },
    {
      name: 'Used by',
      width: 'minmax(6rem, 1.4fr)',
      cell: (one) => one.used_by.join(', ') || <span className="dim">nothing</span>,
    },
    { name: 'Machines', width: 'minmax(5rem, 0.8fr)', wide: true, cell: (one) => one.nodes.join(', ') || '–' },
    { name: 'Size', width: '82px', right: true, cell: (one) => bytes(one.size_bytes) },
    { name: 'Pushed', width: '92px', right: true, wide: true, cell: (one) => <TimeAgo at={one.pushed_at} /> },
  ];
  const total = shown.reduce((sum, one) => sum + one.size_bytes, 0);
  return (
    <Page
      title="Images"
      beside={
        images.data && (
          <span className="dim figure">
            {count(shown.length, 'image')}
            {shown.length > 0 && `, ${bytes(total)}`}
          </span>
        )
      }
      above={repository && <Link to="/images">All images</Link>}
      command={repository ? `draas images show ${shellQuote(repository)}` : 'draas images'}
      actions={
        mayAdminister && (
          <Button variant="default" onClick={pruning.open}>
            Prune…
          </Button>
        )
      }
    >
      <Answer of={images} rows={8}>
        {() => (
          <DataTable
            label="Images"
            columns={columns}
            rows={shown}
            idOf={exactName}
            empty={
              <EmptyState title={repository ? `No image in ${repository}.` : 'No image yet.'}>
                Builds put theirs here, as does <code>draas deploy DIR</code>.
              </EmptyState>
            }
          />
        )}
      </Answer>
      <Modal
        opened={image !== undefined}
        onClose={() => setChosen(null)}
        title={image === undefined ? '' : `${image.repository}${image.tags[0] ? `:${image.tags[0]}` : ''}`}
        size="lg"
      >
        {image !== undefined && <Detail image={image} onGone={() => setChosen(null)} />}
      </Modal>
      <Modal opened={isPruning} onClose={pruning.close} title="Prune the images" size="lg">
        <Prune onDone={pruning.close} />
      </Modal>
    </Page>
  );
}

function Detail({ image, onGone }: { image: Image; onGone: () => void }) {
  return (
    <Stack gap="md">
      <Facts
        of={[
          ['Tags', image.tags.join(', ') || 'none'],
          ['Size', `${bytes(image.size_bytes)} packed`],
          ['Platforms', image.platforms || 'one'],
          ['Pushed', <TimeAgo key="pushed" at={image.pushed_at} />],
          [
            'Machines that have it',
            image.nodes.length === 0 ? 'none' : image.nodes.map((name) => <MachineLink key={name} name={name} />),
          ],
          [
            'Repository',
            <Link key="repository" to="/images" search={{ repository: image.repository }}>
              {image.repository}
            </Link>,
          ],
        ]}
      />
      <div>
        <Text size="sm" fw={600}>
          Used by
        </Text>
        {image.used_by.length === 0 ? (
          <Text size="sm">
            Nothing. {image.tags.length > 0 ? 'Its tag keeps it.' : 'A prune removes it once it is an hour old.'}
          </Text>
        ) : (
          <ul className="faults">
            {image.used_by.map((user) => (
              <li key={user}>
                <User told={user} />
              </li>
            ))}
          </ul>
        )}
      </div>
      <CopyId id={image.digest} />
      <CopyLine line={`draas run --image ${nameToRun(image)} -- sh`} label="Copy command" />
      <Remove image={image} onGone={onGone} />
    </Stack>
  );
}

function MachineLink({ name }: { name: string }) {
  return (
    <Link to="/machines/$name" params={{ name }} style={{ display: 'block' }}>
      {name}
    </Link>
  );
}

/** "job j-…" leads to the job. */
function User({ told }: { told: string }) {
  const id = /\bj-[0-9a-z]{20}\b/.exec(told)?.[0];
  if (id === undefined || !told.startsWith('job')) return told;
  return (
    <Link to="/jobs/$id" params={{ id }}>
      {told}
    </Link>
  );
}

function Remove({ image, onGone }: { image: Image; onGone: () => void }) {
  const mayRemove = useMay('administer');
  const [isSure, sure] = useDisclosure(false);
  const remove = useAct({
    // The name's slashes belong to the path, which the typed client would escape.
    do: async () => {
      const response = await fetch(`/api/images/${pathOf(exactName(image))}`, { method: 'DELETE', headers: OWN_PAGE });
      if (!response.ok) throw problemOf(response.status, await response.json().catch(() => null));
    },
    done: 'Deleted',
    stale: [keys.images],
    after: onGone,
  });
  if (!mayRemove) return null;
  if (image.used_by.length > 0) {
    return (
      <Text size="sm" c="dimmed">
        It cannot be deleted while something uses it.
      </Text>
    );
  }
  return isSure ? (
    <Stack gap="xs" align="flex-start">
      <Text size="sm">
        Deletes the image{image.tags.length > 0 ? ` and ${count(image.tags.length, 'tag')} of it` : ''}, for good.
      </Text>
      <Button color="red" loading={remove.isPending} onClick={() => remove.mutate(undefined)}>
        Delete it
      </Button>
    </Stack>
  ) : (
    <div>
      <Button variant="default" onClick={sure.open}>
        Delete…
      </Button>
    </div>
  );
}

function Prune({ onDone }: { onDone: () => void }) {
  const plan = useQuery(imagePlanQuery);
  const prune = useAct({
    do: (key: string) => take(api.POST('/api/images/prune', { params: { header: { 'Idempotency-Key': key } } })),
    done: (removed: Removals) =>
      removed.total === 0
        ? 'There was nothing to delete'
        : `Deleted ${removed.total}, ${bytes(removed.freed_bytes)} are free again`,
    stale: [keys.images],
    after: onDone,
  });
  return (
    <Answer of={plan} rows={4}>
      {(told) => (
        <Stack gap="sm">
          {told.items.length === 0 ? (
            <Text size="sm">There is nothing to delete: everything is used, tagged, or less than an hour old.</Text>
          ) : (
            <>
              <Text size="sm">
                This would go, and free {bytes(told.freed_bytes)}. What has a tag, is used, or is less than an hour old
                stays.
              </Text>
              <Removed items={told.items} />
              <div>
                <Button color="red" loading={prune.isPending} onClick={() => prune.mutate(freshKey())}>
                  Delete {count(told.items.length, 'thing')}
                </Button>
              </div>
            </>
          )}
          {told.on_nodes.length > 0 && (
            <>
              <Text size="sm" c="dimmed">
                Machines remove these by themselves, in time:
              </Text>
              <Removed items={told.on_nodes} />
            </>
          )}
          <CopyLine line="draas images prune --dry-run" label="Copy command" />
        </Stack>
      )}
    </Answer>
  );
}

function Removed({ items }: { items: readonly Removal[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <div className="rows scroll-y" tabIndex={0} role="region" aria-label="What goes">
      {items.map((item) => (
        <div key={`${item.node}${item.kind}${item.name}`}>
          <span className="dim">{item.node ?? removalKind(item)}</span>
          <span className="grow" title={item.name}>
            <span className="one-line" style={{ display: 'block' }}>
              {item.name}
            </span>
            <span className="dim">{item.reason}</span>
          </span>
          <span className="figure">{bytes(item.freed_bytes)}</span>
        </div>
      ))}
    </div>
  );
}
