// Page: what every page has: a title that is the document's, too, its actions, its content.
import { Title } from '@mantine/core';
import { type ReactNode, useEffect } from 'react';
import { SameAs } from './Copy';

interface PageProps {
  title: string;
  /** Beside the title, such as a state. */
  beside?: ReactNode;
  /** Above the title: where this page belongs. */
  above?: ReactNode;
  actions?: ReactNode;
  /** How the command line shows the same. */
  command?: string;
  children: ReactNode;
}

export function Page({ title, beside, above, actions, command, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · DRaaS`;
  }, [title]);
  return (
    <div className="page">
      {above && <div className="page-above">{above}</div>}
      <div className="page-head">
        <div className="page-title">
          <Title order={1}>{title}</Title>
          {beside}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </div>
      {children}
      {command !== undefined && <SameAs command={command} />}
    </div>
  );
}

/** A part of a page under a heading of its own. */
export function Section({ title, beside, children }: { title: string; beside?: ReactNode; children: ReactNode }) {
  return (
    <section className="section">
      <div className="section-head">
        <h2>{title}</h2>
        {beside}
      </div>
      {children}
    </section>
  );
}

/** Names and values, as a list of descriptions. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
