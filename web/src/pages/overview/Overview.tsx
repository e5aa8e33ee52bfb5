// Overview: how the cluster is, in one sentence and a few figures; the first steps while there is little to see.
import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { appsQuery, nodesQuery, statusQuery } from '../../api/queries';
import { bytes, cores, grouped } from '../../lib/amounts';
import { useLive } from '../../live/Live';
import { whereToLook } from '../../shell/whereToLook';
import { EventRows } from '../../ui/EventRows';
import { Meter } from '../../ui/Meter';
import { Page, Section } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answer } from '../../ui/states';
import { capacityOf } from './capacity';
import { FirstSteps } from './FirstSteps';

const EVENTS_SHOWN = 12;

export function Overview() {
  const status = useQuery(statusQuery).data;
  return (
    <Page title="Overview" command="draas status && draas nodes">
      {status !== undefined && (
        <Section title="How it is">
          <Text size="lg" className="sentence" data-tone={status.tone}>
            {status.text}
          </Text>
          {status.problems.map((problem) => (
            <Text key={problem.text} size="sm" c="dimmed" mt={4}>
              <Link to={whereToLook(problem.about)}>{problem.text}</Link> {problem.remedy}
            </Text>
          ))}
        </Section>
      )}
      <FirstSteps />
      <div className="columns">
        <CapacityPart />
        <JobsPart />
        <AppsPart />
      </div>
      <RecentEvents />
    </Page>
  );
}

function CapacityPart() {
  const nodes = useQuery(nodesQuery);
  return (
    <Section
      title="Capacity"
      beside={
        <div className="legend">
          <span>used</span>
          <span className="legend-reserved">reserved</span>
        </div>
      }
    >
      <Answer of={nodes}>
        {({ items }) => {
          const all = capacityOf(items);
          return (
            <>
              <Meter
                label="CPU"
                used={all.coresUsed}
                reserved={all.coresReserved}
                total={all.cores}
                told={`${Number(all.coresReserved.toFixed(2))} of ${cores(all.cores)} reserved`}
              />
              <Meter
                label="Memory"
                used={all.memoryUsed}
                reserved={all.memoryReserved}
                total={all.memory}
                told={`${bytes(all.memoryReserved)} of ${bytes(all.memory)} reserved`}
              />
              <Meter
                label="Disk"
                used={all.diskUsed}
                reserved={null}
                total={all.disk}
                told={`${bytes(all.diskUsed)} of ${bytes(all.disk)} used`}
              />
            </>
          );
        }}
      </Answer>
    </Section>
  );
}

const SHOWN_STATES = ['running', 'queued', 'waiting', 'succeeded', 'failed'] as const;

function JobsPart() {
  const counts = useQuery(statusQuery);
  return (
    <Section title="Jobs" beside={<Link to="/jobs">All jobs</Link>}>
      <Answer of={counts}>
        {({ jobs }) => (
          <div className="rows">
            {SHOWN_STATES.map((state) => (
              <div key={state}>
                <span className="grow">
                  <Link to="/jobs" search={{ state }}>
                    <StateBadge state={state} />
                  </Link>
                </span>
                <span className="figure">{grouped(jobs[state])}</span>
              </div>
            ))}
          </div>
        )}
      </Answer>
    </Section>
  );
}

function AppsPart() {
  const apps = useQuery(appsQuery);
  return (
    <Section title="Apps" beside={<Link to="/apps">All apps</Link>}>
      <Answer of={apps}>
        {({ items }) =>
          items.length === 0 ? (
            <Text size="sm" c="dimmed">
              No app yet. <code>draas deploy --image nginx --port 80</code> runs one, <Link to="/deploy">a form</Link>{' '}
              too.
            </Text>
          ) : (
            <div className="rows">
              {items.slice(0, 8).map((app) => (
                <div key={app.id}>
                  <StateBadge state={app.state} />
                  <span className="grow one-line">
                    <Link to="/apps/$name" params={{ name: app.name }}>
                      {app.name}
                    </Link>{' '}
                    {app.rolling !== null && <span className="dim">release {app.rolling} rolls out</span>}
                  </span>
                  <span className="figure dim">
                    {app.healthy}/{app.wanted} healthy
                  </span>
                </div>
              ))}
            </div>
          )
        }
      </Answer>
    </Section>
  );
}

function RecentEvents() {
  const { recent, connection } = useLive();
  return (
    <Section title="Recent events">
      {recent.length === 0 ? (
        <Text size="sm" c="dimmed">
          {connection === 'live' ? 'Nothing has happened yet.' : 'Waiting for the controller.'}
        </Text>
      ) : (
        <EventRows events={recent.slice(0, EVENTS_SHOWN)} />
      )}
    </Section>
  );
}
