import type { KubeConfig } from '@kubernetes/client-node';
import { registerHooks } from 'node:module';

/** What config.js takes from the generated API, for clients that are not made here. */
const NO_API = 'data:text/javascript,export const createConfiguration=undefined,ServerConfiguration=undefined';

/**
 * client-node's reader of kubeconfigs and credentials, without its generated API: 1,200 modules that nothing here calls, and
 * that take 45 MB and most of the time it takes to load it. The first call of a process loads it.
 */
export async function loadKubeConfig(): Promise<typeof KubeConfig> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const isApi = specifier === './gen/index.js' && context.parentURL?.endsWith('/client-node/dist/config.js');
      return isApi ? { url: NO_API, format: 'module', shortCircuit: true } : next(specifier, context);
    },
  });
  try {
    const loaded = (await import('@kubernetes/client-node/dist/config.js')) as {
      readonly KubeConfig: typeof KubeConfig;
    };
    return loaded.KubeConfig;
  } finally {
    hooks.deregister();
  }
}
