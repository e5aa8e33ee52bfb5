// Words of images: names as a person writes them, and what a removal is. Pure.
import type { Schemas } from '../../api/client';

export type Image = Schemas['StoredImageView'];
export type Removal = Schemas['RemovalView'];

/** "sha256:0123456789ab". */
export const shortDigest = (digest: string): string => digest.slice(0, 'sha256:'.length + 12);

/** The name by which one image alone is meant. */
export const exactName = (image: Pick<Image, 'repository' | 'digest'>): string => `${image.repository}@${image.digest}`;

/** As jobs and apps name it. */
export const nameToRun = (image: Pick<Image, 'repository' | 'digest' | 'tags'>): string =>
  `draas.internal/${image.repository}${image.tags[0] === undefined ? `@${image.digest}` : `:${image.tags[0]}`}`;

const KINDS: Record<string, string> = { manifest: 'image', link: 'source or part', upload: 'upload that broke off' };

export const removalKind = (removal: Pick<Removal, 'kind'>): string => KINDS[removal.kind] ?? removal.kind;

/** The path of a name in the API: its slashes are not escaped. */
export const pathOf = (name: string): string => name.split('/').map(encodeURIComponent).join('/');
