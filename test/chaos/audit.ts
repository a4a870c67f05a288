import { closeSync, openSync, readSync, statSync } from 'node:fs';

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

const CHUNK = 16 * 1024 * 1024;

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

function* linesFrom(file: string, from: number): Iterable<string> {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(CHUNK);
    let rest = '';
    for (let at = from; ;) {
      const size = readSync(handle, bytes, 0, CHUNK, at);
      if (size === 0) return;
      at += size;
      const lines = (rest + bytes.toString('latin1', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(handle);
  }
}
