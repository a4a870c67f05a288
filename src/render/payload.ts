import { isUtf8 } from 'node:buffer';
import type { V1ConfigMap } from '@kubernetes/client-node';
import { terminalError } from '../errors.ts';
import { formatBytes } from '../job/quantity.ts';
import type { RunFile, RunRecord } from '../runner/port.ts';
import { ownedBy, type Owner, type RenderContext } from './context.ts';
import { GATE } from './gate.ts';
import { runAnnotations, runLabels } from './labels.ts';
import { KEYS } from './layout.ts';
import { runObjectName } from './names.ts';
import { packRecord, unpackRecord } from './record.ts';
import { planPod } from './steps.ts';

/**
 * The most bytes that the values of a ConfigMap may have together
 * (https://kubernetes.io/docs/concepts/configuration/configmap/: 1 MiB).
 */
export const PAYLOAD_LIMIT = 1024 * 1024;

export interface PayloadParts {
  readonly record: RunRecord;
  /** The contents of the spec's files, but for those from Secrets. */
  readonly files: readonly RunFile[];
  readonly context: RenderContext;
  readonly claim: Owner;
}

/**
 * The payload of a run: an immutable ConfigMap, owned by the claim, with the scripts, the files and the record. Without
 * it no pod of the run can start. Throws CodedError, both terminal: `PayloadTooLarge`, and `FileMissing` for a file
 * whose content was not given.
 */
export function renderPayload({ record, files, context, claim }: PayloadParts): V1ConfigMap {
  const { texts, binaries } = contents(record, files);
  binaries.set(KEYS.record, packRecord(record, texts));
  checkSize(record, texts, binaries);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: runObjectName('payload', context, record.job, record.run),
      namespace: context.namespace,
      labels: runLabels(context, 'payload', record),
      annotations: runAnnotations(record, context.epoch),
      ownerReferences: [ownedBy(claim)],
    },
    immutable: true,
    data: Object.fromEntries(texts),
    binaryData: Object.fromEntries([...binaries].map(([key, bytes]) => [key, Buffer.from(bytes).toString('base64')])),
  };
}

/** The run that a payload was made for. Throws CodedError `PayloadUnreadable` (terminal). */
export function recordFrom(payload: V1ConfigMap): RunRecord {
  const packed = Buffer.from(payload.binaryData?.[KEYS.record] ?? '', 'base64');
  const texts = new Map(Object.entries(payload.data ?? {}));
  return unpackRecord(packed, texts, payload.metadata?.name ?? '');
}

interface Contents {
  readonly texts: Map<string, string>;
  readonly binaries: Map<string, Uint8Array>;
}

function contents(record: RunRecord, files: readonly RunFile[]): Contents {
  const texts = new Map<string, string>([[KEYS.run, `${record.job} #${record.run}\n`]]);
  const binaries = new Map<string, Uint8Array>();
  const { steps, gated } = planPod(record.spec, record.args);
  if (gated) texts.set(KEYS.gate, GATE);
  for (const { name, script } of steps) if (script !== null) texts.set(KEYS.script(name), script);
  const byPath = new Map(files.map((file) => [file.path, file.content]));
  for (const [index, file] of (record.spec.files ?? []).entries()) {
    if (file.secret !== undefined) continue;
    const content = byPath.get(file.path);
    if (content === undefined)
      throw terminalError(
        'FileMissing',
        `${record.job} #${record.run}: the content of the file ${file.path} is missing`,
      );
    // A NUL is valid UTF-8, but no YAML that shows the object could hold it.
    if (isUtf8(content) && !content.includes(0)) texts.set(KEYS.file(index), Buffer.from(content).toString());
    else binaries.set(KEYS.file(index), content);
  }
  return { texts, binaries };
}

function checkSize({ job, run }: RunRecord, texts: Contents['texts'], binaries: Contents['binaries']): void {
  const sizes = [
    ...[...texts].map(([key, text]) => [key, Buffer.byteLength(text)] as const),
    ...[...binaries].map(([key, bytes]) => [key, bytes.length] as const),
  ];
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  if (total <= PAYLOAD_LIMIT) return;
  throw terminalError(
    'PayloadTooLarge',
    `${job} #${run}: scripts, files and settings have ${formatBytes(total)} together; a run can carry ${formatBytes(PAYLOAD_LIMIT)}`,
    { hint: 'put large files into an image or a volume, or let a step fetch them' },
  );
}
