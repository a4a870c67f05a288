import { isUtf8 } from 'node:buffer';
import type { V1ConfigMap } from '@kubernetes/client-node';
import { isCoded, terminalError } from '../errors.ts';
import { tasksOfRun } from '../job/fan-out.ts';
import { formatBytes } from '../job/quantity.ts';
import { taskRecord } from '../job/task-spec.ts';
import { holdsTemplate } from '../job/template.ts';
import type { RunFile, RunRecord, RunTask } from '../runner/port.ts';
import type { JobFile } from '../schemas/index.ts';
import { ownedBy, type Owner, type RenderContext } from './context.ts';
import { fileKey } from './file-keys.ts';
import { GATE } from './gate.ts';
import { runAnnotations, runLabels } from './labels.ts';
import { KEYS } from './layout.ts';
import { runObjectName } from './names.ts';
import { packRecord, unpackRecord } from './record.ts';
import { planRecord } from './steps.ts';

/**
 * The most bytes that the values of a ConfigMap may have together
 * (https://kubernetes.io/docs/concepts/configuration/configmap/: 1 MiB).
 */
export const PAYLOAD_LIMIT = 1024 * 1024;

export interface PayloadParts {
  /** Of the run. */
  readonly record: RunRecord;
  /** The contents of the spec's files, by their paths as written, but for those from Secrets. */
  readonly files: readonly RunFile[];
  readonly context: RenderContext;
  readonly claim: Owner;
}

/**
 * The payload of a run: an immutable ConfigMap, owned by the claim, with the scripts, the files and the record. Without
 * it no pod of the run can start, and it serves the pods of all tasks. Throws CodedError, both terminal: `PayloadTooLarge`, and `FileMissing` for a file
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
  // No task has a step that the run has not, and scripts are the same in all.
  const { steps, gated } = planRecord(record);
  if (gated) texts.set(KEYS.gate, GATE);
  for (const { name, script } of steps) if (script !== null) texts.set(KEYS.script(name), script);
  for (const [key, content] of [...filesAsWritten(record, files), ...filesOfTasks(record)])
    // A NUL is valid UTF-8, but no YAML that shows the object could hold it.
    if (isUtf8(content) && !content.includes(0)) texts.set(key, Buffer.from(content).toString());
    else binaries.set(key, content);
  return { texts, binaries };
}

const isTemplate = ({ content = '' }: JobFile): boolean => holdsTemplate(content);

function filesAsWritten(record: RunRecord, files: readonly RunFile[]): readonly (readonly [string, Uint8Array])[] {
  const byPath = new Map(files.map((file) => [file.path, file.content]));
  return (record.spec.files ?? []).flatMap((file, index) => {
    if (file.secret !== undefined || isTemplate(file)) return [];
    const content = byPath.get(file.path);
    if (content !== undefined) return [[KEYS.file(index), content] as const];
    throw terminalError('FileMissing', `${record.job} #${record.run}: the content of the file ${file.path} is missing`);
  });
}

/** The contents that tasks fill in: the payload is written once, before the first of their pods. */
function filesOfTasks(record: RunRecord): readonly (readonly [string, Uint8Array])[] {
  const written = record.spec.files ?? [];
  if (!written.some(isTemplate)) return [];
  return tasksOfRun(record).flatMap((task) => {
    const files = filledIn(record, task);
    return written.flatMap((file, index) => {
      const ofTask = files[index];
      if (ofTask?.content === undefined || !isTemplate(file)) return [];
      return [[fileKey(index, file, ofTask), Buffer.from(ofTask.content)] as const];
    });
  });
}

/** A task that can't be filled in fails alone, when its pod is rendered. */
function filledIn(record: RunRecord, task: RunTask): readonly JobFile[] {
  try {
    return taskRecord(record, task).record.spec.files ?? [];
  } catch (error) {
    if (isCoded(error) && error.errorClass === 'terminal') return [];
    throw error;
  }
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
