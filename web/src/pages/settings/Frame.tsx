// Frame: what all pages of the settings have: their title and the way to the others that this key may see.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { sessionQuery } from '../../api/queries';
import { may } from '../../ui/may';
import { Page } from '../../ui/Page';
import { EmptyState } from '../../ui/states';
import { TABS, type Tab } from './tabs';
import './settings.css';

interface FrameProps {
  at: Tab['to'];
  actions?: ReactNode;
  command: string;
  children: ReactNode;
}

export function Frame({ at, actions, command, children }: FrameProps) {
  const session = useQuery(sessionQuery).data;
  const here = TABS.find((tab) => tab.to === at)!;
  const isAllowed = may(session, here.needs);
  return (
    <Page title={`Settings: ${here.label}`} actions={isAllowed && actions} {...(isAllowed ? { command } : {})}>
      <nav className="settings-tabs" aria-label="Settings">
        {TABS.filter((tab) => may(session, tab.needs)).map((tab) => (
          <Link key={tab.to} to={tab.to} activeOptions={{ exact: true, includeSearch: false }}>
            {tab.label}
          </Link>
        ))}
      </nav>
      {isAllowed ? (
        children
      ) : (
        <EmptyState title="Your key does not open this.">
          It needs an admin's key that is for no single project. <Link to="/settings">What your key sees</Link>
        </EmptyState>
      )}
    </Page>
  );
}
