// StepList: what a deployment goes through, each step with its time; what is under one stands below it.
import type { ReactNode } from 'react';
import { Icon } from '../../ui/icons';
import { Duration, TimeAgo } from '../../ui/TimeAgo';
import type { Step, StepState } from './steps';

const SAID: Record<StepState, string> = {
  todo: 'to come',
  now: 'under way',
  done: 'done',
  failed: 'failed',
  off: 'not done',
};

interface StepListProps {
  steps: readonly Step[];
  label: string;
  /** What is shown under a step. */
  under?: (step: Step) => ReactNode;
}

export function StepList({ steps, label, under }: StepListProps) {
  return (
    <ol className="timeline" aria-label={label}>
      {steps.map((step, at) => (
        <li key={step.name} data-state={step.state} data-step={step.name}>
          <span className="timeline-mark">
            {step.state === 'done' ? (
              <Icon name="check" size={13} />
            ) : step.state === 'failed' ? (
              <Icon name="close" size={13} />
            ) : step.state === 'now' ? (
              <span className="timeline-busy" />
            ) : (
              <span aria-hidden="true">{at + 1}</span>
            )}
          </span>
          <div className="timeline-body">
            <div className="timeline-head">
              <b>{step.label}</b>
              <span className="sr-only">{SAID[step.state]}</span>
              {step.detail && <span className="dim timeline-detail">{step.detail}</span>}
              <span className="dim timeline-time">
                <StepTime step={step} />
              </span>
            </div>
            {under?.(step)}
          </div>
        </li>
      ))}
    </ol>
  );
}

function StepTime({ step }: { step: Step }) {
  if (step.state === 'todo' || step.state === 'off') return null;
  if (step.from !== null && (step.to !== null || step.state === 'now')) {
    return <Duration from={step.from} to={step.to} />;
  }
  return step.to === null ? null : <TimeAgo at={step.to} />;
}
