// NodeLink: a machine's name, leading to its page.
import { Link } from '@tanstack/react-router';

export function NodeLink({ name }: { name: string }) {
  return (
    <Link to="/machines/$name" params={{ name }}>
      {name}
    </Link>
  );
}
