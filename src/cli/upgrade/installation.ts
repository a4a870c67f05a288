import { dirname, join } from 'node:path';

/** How this program came to where it is. */
export type Installation =
  /** `npm install --global`: the folder of the package, and npm's prefix. */
  | { readonly kind: 'global'; readonly root: string; readonly prefix: string }
  /** Anything else, with what a person types to have a newer one. */
  | { readonly kind: 'other'; readonly what: string; readonly command: (version: string) => string };

/** What is known of the machine. */
export interface Place {
  /** The folder of the package, links resolved. */
  readonly root: string;
  /** npm's global prefix, links resolved. */
  readonly prefix: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Tells by the folder of the package. Pure. */
export function installationOf({ root, prefix, env }: Place): Installation {
  const other = (what: string, command: (version: string) => string): Installation => ({
    kind: 'other',
    what,
    command,
  });
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined || root === '/app')
    return other(
      'an image',
      (version) =>
        `kubectl -n runledger set image deployment/runledger controller=ghcr.io/runledger/runledger:${version}`,
    );
  if (!/[\\/]node_modules[\\/]runledger$/.test(root))
    return other('a checkout', () => `git -C ${root} pull && npm --prefix ${root} ci`);
  if (/[\\/]_npx[\\/]/.test(root)) return other('npx', (version) => `npx runledger@${version} …`);
  if (root === join(prefix, 'lib/node_modules/runledger')) return { kind: 'global', root, prefix };
  const project = dirname(dirname(root));
  return other('a dependency of a project', (version) => `npm --prefix ${project} install runledger@${version}`);
}
