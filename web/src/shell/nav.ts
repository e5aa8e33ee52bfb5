// Nav: the pages that the menu and the palette lead to, in order. A page that is not there yet has no line here.
import type { IconName } from '../ui/icons';

export interface NavItem {
  to: '/' | '/machines' | '/jobs' | '/apps' | '/builds' | '/images' | '/events' | '/settings';
  label: string;
  icon: IconName;
}

export const NAV: NavItem[] = [
  { to: '/', label: 'Overview', icon: 'overview' },
  { to: '/machines', label: 'Machines', icon: 'machines' },
  { to: '/jobs', label: 'Jobs', icon: 'jobs' },
  { to: '/apps', label: 'Apps', icon: 'apps' },
  { to: '/builds', label: 'Builds', icon: 'builds' },
  { to: '/images', label: 'Images', icon: 'images' },
  { to: '/events', label: 'Events', icon: 'events' },
  { to: '/settings', label: 'Settings', icon: 'settings' },
];
