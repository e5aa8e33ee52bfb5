// Releases: each with what it went through, what changed by it, and the way back to it.
import { Button, Group, Modal, Select, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type AppDetail, api, type Release, take } from '../../api/client';
import { buildQuery, keys, releasesQuery } from '../../api/queries';
import { useAct } from '../../ui/act';
import { CopyId } from '../../ui/Copy';
import { LogView } from '../../ui/LogView';
import { useMay } from '../../ui/may';
import { Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer } from '../../ui/states';
import { Duration, TimeAgo } from '../../ui/TimeAgo';
import { onceFor } from './AppActions';
import { diffReleases } from './diff';
import { BUILD_LABEL } from './form';
import { appRoute } from './route';
import { StepList } from './StepList';
import { buildSteps, releaseSteps, type Step } from './steps';
import { failingOf, phaseOf, remedyOf, whyOf } from './words';

export function Releases({ app }: { app: AppDetail }) {
  const releases = useQuery(releasesQuery(app.name));
  return (
    <Section title="Releases">
      <Answer of={releases} rows={3}>
        {({ items }) => {
          const known = new Map(app.releases.map((one) => [one.number, one]));
          // The stream tells states sooner; what was asked for never changes.
          const now = items.map((one) => ({ ...one, ...known.get(one.number) }));
          return (
            <>
              {now.map((release, at) => (
                <ReleaseRow key={release.number} app={app} release={release} before={now[at + 1]} isNewest={at === 0} />
              ))}
              {now.length > 1 && <Compare releases={now} />}
            </>
          );
        }}
      </Answer>
    </Section>
  );
}

interface RowProps {
  app: AppDetail;
  release: Release;
  before: Release | undefined;
  isNewest: boolean;
}

function ReleaseRow({ app, release, before, isNewest }: RowProps) {
  const isStriking = isNewest && release.state !== 'live';
  const [choice, setChoice] = useState<boolean | null>(null);
  const isOpen = choice ?? isStriking;
  return (
    <div className="release" data-release={release.number}>
      <div className="release-head">
        <b className="figure">Release {release.number}</b>
        <StateBadge state={release.canary === 'testing' && release.state === 'rolling' ? 'canary' : release.state} />
        <span className="grow dim one-line" title={release.image || release.spec.image}>
          {release.rollback_of !== null && `repeats release ${release.rollback_of}, `}
          {release.spec.image}
        </span>
        <span className="dim">
          <TimeAgo at={release.created_at} />
        </span>
        <Group gap="xs">
          <Rollback app={app} release={release} />
          <Button size="compact-xs" variant="default" aria-expanded={isOpen} onClick={() => setChoice(!isOpen)}>
            {isOpen ? 'Less' : 'Details'}
            <span className="sr-only">&nbsp;of release {release.number}</span>
          </Button>
        </Group>
      </div>
      {isOpen && <ReleaseDetail app={app} release={release} before={before} />}
    </div>
  );
}

function ReleaseDetail({ app, release, before }: Omit<RowProps, 'isNewest'>) {
  const buildId = release.rollback_of === null ? release.spec.labels[BUILD_LABEL] : undefined;
  const isNew = buildId !== undefined && buildId !== before?.spec.labels[BUILD_LABEL];
  const build = useQuery({ ...buildQuery(buildId ?? ''), enabled: isNew });
  const steps = [...(isNew && build.data ? buildSteps(build.data) : []), ...releaseSteps(release, app)];
  return (
    <div className="release-open">
      <StepList
        steps={steps}
        label={`Steps of release ${release.number}`}
        under={(step) => <UnderStep step={step} app={app} release={release} buildId={buildId} />}
      />
      {before !== undefined && (
        <div>
          <h3>What changed since release {before.number}</h3>
          <Changes before={before} after={release} />
        </div>
      )}
      {release.image && (
        <div>
          <h3>What its tag was resolved to</h3>
          <CopyId id={release.image} />
        </div>
      )}
    </div>
  );
}

interface UnderProps {
  step: Step;
  app: AppDetail;
  release: Release;
  buildId: string | undefined;
}

/** The failed step is open: the cause, the remedy, the last output. Under a roll-out stand its replicas. */
export function UnderStep({ step, app, release, buildId }: UnderProps) {
  if (step.name === 'building' && buildId !== undefined) {
    return (
      <Link to="/builds/$id" params={{ id: buildId }}>
        Build {buildId}
      </Link>
    );
  }
  if (step.name !== 'rolling') return null;
  const mine = [...app.replicas, ...app.past].filter((one) => one.release === release.number);
  const failing = failingOf(app, release.number);
  const shown = failing ?? mine[0]; // stopped with its release: its output may say why
  const remedy = remedyOf(failing, release.spec);
  if (step.state === 'failed') {
    return (
      <div>
        <Text size="sm" fw={550}>
          {release.reason}
        </Text>
        {remedy && <Text size="sm">{remedy}</Text>}
        {shown !== undefined && (
          <div style={{ marginTop: 8 }}>
            <LogView app={app.name} replica={String(shown.number)} />
          </div>
        )}
      </div>
    );
  }
  if (step.state !== 'now') return null;
  return (
    <div className="rows">
      {mine.map((replica) => (
        <div key={replica.id}>
          <StateBadge state={phaseOf(replica)} />
          <span className="grow">
            #{replica.number} on {replica.node} <span className="dim">{whyOf(replica)}</span>
          </span>
          <span className="dim">
            <Duration from={replica.assigned_at} to={replica.healthy_since ?? replica.finished_at} />
          </span>
        </div>
      ))}
    </div>
  );
}

function Changes({ before, after }: { before: Release; after: Release }) {
  const changes = diffReleases(before, after);
  if (changes.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Nothing of what was asked for.
      </Text>
    );
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by the keyboard
    <div className="scroll-x" tabIndex={0} role="region" aria-label={`Release ${before.number} and ${after.number}`}>
      <table className="plain">
        <thead>
          <tr>
            <th>What</th>
            <th>Release {before.number}</th>
            <th>Release {after.number}</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((change) => (
            <tr key={`${change.what} ${change.before} ${change.after}`}>
              <td>{change.what}</td>
              <td>
                {change.before === null ? (
                  <span className="dim">–</span>
                ) : (
                  <span className="gone">{change.before}</span>
                )}
              </td>
              <td>{change.after ?? <span className="dim">–</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Any two releases; which, is in the address. */
function Compare({ releases }: { releases: readonly Release[] }) {
  const { from, to } = appRoute.useSearch();
  const navigate = appRoute.useNavigate();
  const data = releases.map((one) => ({ value: String(one.number), label: `Release ${one.number}` }));
  const before = releases.find((one) => one.number === from);
  const after = releases.find((one) => one.number === to);
  const choose = (name: 'from' | 'to') => (value: string | null) =>
    void navigate({
      search: ({ [name]: _, ...rest }) => (value === null ? rest : { ...rest, [name]: Number(value) }),
      replace: true,
    });
  const select = (name: 'from' | 'to', label: string) => (
    <Select
      size="xs"
      w={140}
      aria-label={label}
      placeholder="a release"
      data={data}
      value={(name === 'from' ? before : after) ? String(name === 'from' ? from : to) : null}
      onChange={choose(name)}
    />
  );
  return (
    <div className="release-open">
      <Group gap="xs">
        <Text size="sm">Compare</Text>
        {select('from', 'Compare')}
        <Text size="sm">with</Text>
        {select('to', 'with')}
      </Group>
      {before !== undefined && after !== undefined && <Changes before={before} after={after} />}
    </div>
  );
}

function Rollback({ app, release }: { app: AppDetail; release: Release }) {
  const mayDeploy = useMay('deploy');
  const [isAsking, asking] = useDisclosure(false);
  const rollback = useAct({
    do: () =>
      take(api.POST('/api/apps/{name}/rollback', { params: onceFor(app.name), body: { release: release.number } })),
    done: (now) => `Release ${now.releases[0]?.number} repeats release ${release.number}`,
    stale: [keys.apps],
    after: asking.close,
  });
  // To the live one only while another is on its way.
  const isWay = release.state === 'replaced' || (release.state === 'live' && app.rolling !== null);
  if (!mayDeploy || app.removing || !isWay) return null;
  return (
    <>
      <Button size="compact-xs" variant="default" onClick={asking.open}>
        Roll back to {release.number}…
      </Button>
      <Modal opened={isAsking} onClose={asking.close} title={`Roll back to release ${release.number}?`}>
        <Text size="sm">
          A new release with the content of release {release.number} ({release.spec.image}) is rolled out; release{' '}
          {app.release ?? '–'} serves until it is up.
        </Text>
        <Button data-autofocus mt="md" loading={rollback.isPending} onClick={() => rollback.mutate(undefined)}>
          Roll back
        </Button>
      </Modal>
    </>
  );
}
