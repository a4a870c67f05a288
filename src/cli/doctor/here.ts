import manifest from '../../../package.json' with { type: 'json' };
import { FORMAT_VERSION } from '../../ledger/format.ts';
import { compareVersions } from '../upgrade/versions.ts';
import type { Check } from './check.ts';

/** The versions of this program and of what it runs on. Pure. */
export function hereChecks(node: string, platform: string): readonly Check[] {
  const least = manifest.engines.node.replace(/^>=/, '');
  const isOld = compareVersions(node, least) < 0;
  return [
    {
      area: 'here',
      name: 'runledger',
      state: 'ok',
      message: `${manifest.version}; it writes ledgers of format ${FORMAT_VERSION}`,
    },
    {
      area: 'here',
      name: 'node',
      state: isOld ? 'fail' : 'ok',
      message: `Node.js ${node} on ${platform}`,
      ...(isOld ? { hint: `runledger needs Node.js ${least} or newer` } : {}),
    },
  ];
}
