import manifest from '../../../package.json' with { type: 'json' };
import { FORMAT_VERSION } from '../../ledger/format.ts';
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

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map((part) => Number.parseInt(part, 10) || 0));
  const at = (left ?? []).findIndex((part, index) => part !== (right?.[index] ?? 0));
  return at < 0 ? 0 : (left?.[at] ?? 0) - (right?.[at] ?? 0);
}
