import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A request as the API server's audit log has it. */
export interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code: number };
}

/** The events whose line has the text, a namespace or an account. */
async function auditEvents(file: string, text: string): Promise<readonly AuditEvent[]> {
  const events: AuditEvent[] = [];
  for await (const line of createInterface({ input: createReadStream(file) }))
    if (line.includes(`"${text}"`)) events.push(JSON.parse(line) as AuditEvent);
  return events;
}

/** The names of the pods that were created in a namespace, each as often as it was. */
export async function auditedCreations(file: string, namespace: string): Promise<readonly string[]> {
  return (await auditEvents(file, namespace))
    .filter(({ verb, objectRef, responseStatus }) => {
      const isPod = objectRef?.resource === 'pods' && !objectRef.subresource && objectRef.namespace === namespace;
      return verb === 'create' && isPod && responseStatus?.code === 201;
    })
    .map(({ objectRef }) => objectRef?.name ?? '');
}

/** What an account asked for and was not allowed to do. */
export async function auditedRefusals(file: string, account: string): Promise<readonly string[]> {
  return (await auditEvents(file, account))
    .filter(({ user, responseStatus }) => user.username === account && responseStatus?.code === 403)
    .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource} in ${objectRef?.namespace ?? 'the cluster'}`);
}

/** What an account did with objects of a kind, whatever came of it. */
export async function auditedVerbs(file: string, account: string, resource: string): Promise<ReadonlySet<string>> {
  const events = await auditEvents(file, account);
  const theirs = events.filter(({ user, objectRef }) => user.username === account && objectRef?.resource === resource);
  return new Set(theirs.map(({ verb }) => verb));
}
