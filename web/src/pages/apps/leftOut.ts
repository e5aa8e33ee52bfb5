// LeftOut: which files of a folder are not sent. Pure.

const NEVER = new Set(['.git', 'node_modules', '.venv', 'venv', '__pycache__', '.DS_Store']);

/** Whether a path is left out of what is sent, as the command line does where no .gitignore says otherwise. */
export const isLeftOut = (path: string): boolean => path.split('/').some((part) => NEVER.has(part));

/** shop/web/a is web/a. */
export const withoutTop = (path: string): string => path.slice(path.indexOf('/') + 1);
