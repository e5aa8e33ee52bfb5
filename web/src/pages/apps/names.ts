// Names: what an app may be called, and what it is called where nobody says. Pure; the rules are the API's.

export const MAX_NAME = 40;
const ENDINGS = /\.(zip|tar\.gz|tgz|tar)$/i;

/** What is wrong with an app's name. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'Give it a name.';
  if (name.length > MAX_NAME) return `At most ${MAX_NAME} characters; these are ${name.length}.`;
  if (/[A-Z]/.test(name)) return 'Lower-case letters only.';
  if (/[^a-z0-9-]/.test(name)) return 'Letters, digits and hyphens only.';
  if (name.startsWith('-') || name.endsWith('-')) return 'A letter or digit at both ends.';
  return undefined;
}

/** `text` as a name: "My_Shop 2" is my-shop-2. */
const nameOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME)
    .replace(/^-+|-+$/g, '');

/** registry.example:5000/team/shop:2 is shop. */
export const nameOfImage = (image: string): string => nameOf(image.split('@')[0]!.split('/').at(-1)!.split(':')[0]!);

export const nameOfFile = (file: string): string => nameOf(file.replace(ENDINGS, ''));

/** https://example.org/team/shop.git#main is shop. */
export const nameOfGit = (url: string): string =>
  nameOf(
    url
      .split('#')[0]!
      .replace(/\/+$/, '')
      .split(/[/:]/)
      .at(-1)!
      .replace(/\.git$/, ''),
  );

export const isArchive = (name: string): boolean => ENDINGS.test(name);
