import { statSync } from 'node:fs';
import { linesFrom } from '../support/lines-from.ts';

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly namespace?: string };
  readonly responseStatus?: { readonly code?: number };
}

export interface AuditOfPods {
  /**
   * How many pods were created in a namespace since the log was opened: `least` had the answer 201, and up to `most` may have
   * been created for a client that was gone by the time of the answer.
   */
  created(namespace: string): { readonly least: number; readonly most: number };
}

/** Reads an API server's audit log (JSON lines, level Metadata or above); undefined where no file is named. */
export function openAuditOfPods(file: string | undefined): AuditOfPods | undefined {
  if (file === undefined) return undefined;
  const from = statSync(file).size;
  return {
    created(namespace) {
      let [least, uncertain] = [0, 0];
      for (const line of linesFrom(file, from)) {
        if (!line.includes(`"namespace":"${namespace}"`) || !line.includes('"verb":"create"')) continue;
        const { stage, objectRef, responseStatus } = JSON.parse(line) as AuditEvent;
        const isPod = objectRef?.resource === 'pods' && objectRef.subresource === undefined;
        if (!isPod || stage !== 'ResponseComplete') continue;
        if (responseStatus?.code === 201) least += 1;
        else if ((responseStatus?.code ?? 500) >= 500) uncertain += 1;
      }
      return { least, most: least + uncertain };
    },
  };
}
