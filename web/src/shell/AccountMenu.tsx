// AccountMenu: who is signed in, the theme, signing out. Loaded when it is opened first: menus are a tenth of what others need.
import { Menu, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { api, type Session, take } from '../api/client';
import { keys } from '../api/queries';
import { useAct } from '../ui/act';
import { Icon, type IconName } from '../ui/icons';

const SCHEMES: { value: 'light' | 'dark' | 'auto'; label: string; icon: IconName }[] = [
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
  { value: 'auto', label: "As the system's", icon: 'auto' },
];

export default function AccountMenu({ session }: { session: Session }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const client = useQueryClient();
  const signOut = useAct({
    do: () => take(api.DELETE('/api/session')),
    after: () => {
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] });
      void client.invalidateQueries({ queryKey: keys.session });
    },
  });
  return (
    <Menu defaultOpened position="bottom-end" width={220} withinPortal>
      <Menu.Target>
        <UnstyledButton aria-label="Account and theme" className="account">
          <Icon name="settings" />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.is_open ? 'Open: no key is needed here' : `Key ${session.key || '(no name)'}: ${session.role}`}
          {session.project !== null && `, project ${session.project}`}
          <br />
          Version {session.version}
        </Menu.Label>
        <Menu.Divider />
        <Menu.Label>Theme</Menu.Label>
        {SCHEMES.map((scheme) => (
          <Menu.Item
            key={scheme.value}
            leftSection={<Icon name={scheme.icon} size={16} />}
            rightSection={colorScheme === scheme.value ? <Icon name="check" size={16} /> : null}
            aria-current={colorScheme === scheme.value}
            onClick={() => setColorScheme(scheme.value)}
          >
            {scheme.label}
          </Menu.Item>
        ))}
        {!session.is_open && (
          <>
            <Menu.Divider />
            <Menu.Item leftSection={<Icon name="out" size={16} />} onClick={() => signOut.mutate(undefined)}>
              Sign out
            </Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
