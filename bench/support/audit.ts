import { statSync } from 'node:fs';
import { linesFrom } from '../../test/support/lines-from.ts';

/** How often each call was made, by what it was: `create pods`, `patch pods`, `get pods/log`. */
export type CallCounts = ReadonlyMap<string, number>;

interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly userAgent?: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly namespace?: string };
}

/** Elections go on whether or not anything runs. */
const NOT_OF_A_RUN = new Set(['leases']);

export interface Audit {
  /** What runledger asked of the API server about a namespace, since the audit was opened. */
  calls(namespace: string): CallCounts;
}

/** Reads the API server's audit log (JSON lines) from where it ends now; undefined where no file is named. */
export function openAudit(file: string | undefined): Audit | undefined {
  if (file === undefined) return undefined;
  const from = statSync(file).size;
  return {
    calls(namespace) {
      // A stream has an event when it begins and another when it ends: it is one call.
      const seen = new Set<string>();
      const counts = new Map<string, number>();
      for (const line of linesFrom(file, from)) {
        if (!line.includes(`"namespace":"${namespace}"`)) continue;
        const { auditID, verb, userAgent = '', objectRef = {} } = JSON.parse(line) as AuditEvent;
        const { resource = '', subresource } = objectRef;
        const isOurs = userAgent.startsWith('runledger/') && objectRef.namespace === namespace;
        if (!isOurs || NOT_OF_A_RUN.has(resource) || seen.has(auditID)) continue;
        seen.add(auditID);
        const call = `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
        counts.set(call, (counts.get(call) ?? 0) + 1);
      }
      return counts;
    },
  };
}

/** The number of calls, or of those whose verb begins so. */
export const totalOf = (counts: CallCounts, verb = ''): number =>
  [...counts].reduce((sum, [call, count]) => sum + (call.startsWith(verb) ? count : 0), 0);
