// Tabs: the pages of the settings, with what a key needs to see them. Pure.
import type { Right } from '../../ui/may';

export interface Tab {
  to: '/settings' | '/settings/keys' | '/settings/registries' | '/settings/certificates';
  label: string;
  needs: Right;
}

export const TABS: readonly Tab[] = [
  { to: '/settings', label: 'About', needs: 'view' },
  { to: '/settings/keys', label: 'Keys', needs: 'administer' },
  { to: '/settings/registries', label: 'Registries', needs: 'view' },
  { to: '/settings/certificates', label: 'Certificates', needs: 'oversee' },
];
