// Dag: jobs that need each other, drawn with their states. A file of its own: its library is loaded where there is a drawing.
import '@xyflow/react/dist/base.css';
import { Link } from '@tanstack/react-router';
import { type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow } from '@xyflow/react';
import { useMemo } from 'react';
import type { JobSummary } from '../../api/client';
import { StateBadge } from '../../ui/StateBadge';
import { placesOf } from './dag';

const COLUMN_PX = 240;
const ROW_PX = 78;

type JobNode = Node<{ job: JobSummary; isSelf: boolean }, 'job'>;
const KINDS = { job: Box };

export default function Dag({ jobs, self }: { jobs: readonly JobSummary[]; self: string }) {
  const nodes = useMemo<JobNode[]>(() => {
    const byId = new Map(jobs.map((job) => [job.id, job]));
    return placesOf(jobs).map(({ id, column, row }) => ({
      id,
      type: 'job',
      position: { x: column * COLUMN_PX, y: row * ROW_PX },
      data: { job: byId.get(id)!, isSelf: id === self },
    }));
  }, [jobs, self]);
  const edges = useMemo<Edge[]>(() => {
    const ids = new Set(jobs.map((job) => job.id));
    return jobs.flatMap((job) =>
      job.needs
        .filter((need) => ids.has(need))
        .map((need) => ({
          id: `${need} ${job.id}`,
          source: need,
          target: job.id,
          markerEnd: { type: MarkerType.ArrowClosed },
        })),
    );
  }, [jobs]);
  return (
    <div className="dag">
      <ReactFlow
        key={jobs.length} // fits what is there into the frame again
        nodes={nodes}
        edges={edges}
        nodeTypes={KINDS}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
        minZoom={0.1}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
      />
    </div>
  );
}

function Box({ data: { job, isSelf } }: NodeProps<JobNode>) {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Link
        className="dag-job nodrag nopan"
        data-self={isSelf || undefined}
        aria-current={isSelf ? 'page' : undefined}
        to="/jobs/$id"
        params={{ id: job.id }}
      >
        <span className="one-line" style={{ display: 'block' }}>
          {job.name || job.id}
        </span>
        <StateBadge state={job.state} />
      </Link>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}
