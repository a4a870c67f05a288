import { terminalError } from '../errors.ts';
import type { Job } from '../schemas/index.ts';
import type { CelValues } from './cel.ts';
import { type ExpressionContext, evaluateText, valuesOf } from './expressions.ts';
import { type FieldPath, formatPath } from './positions.ts';
import { formatBytes } from './quantity.ts';
import { renderedFindings } from './rules.ts';
import { CONTENT_LIMIT } from './rules-files.ts';
import { holdsTemplate, splitTemplate, templateField } from './template.ts';
import { schemaFindings } from './validate.ts';

type JobSpec = Job['spec'];

/**
 * A spec with the values of its templates in their place: itself when it has none. Structure and names stay as they are, and what
 * a template gives is never looked at again. The spec has to be valid, and is judged again with the values in: they may be no
 * image, or lead out of a folder. `manifestPath` is where the manifest lies in the repository. Throws CodedErrors (terminal):
 * `ExpressionFailed`, and `RenderedInvalid` for a spec that is not allowed, or too large, with these values.
 */
export function renderSpec(spec: JobSpec, context: ExpressionContext, manifestPath: string): JobSpec {
  const render = renderer(context, manifestPath);
  const rendered = renderValue(spec, ['spec'], (text, path) =>
    FILLED_IN.has(templateField({ spec }, path, text)) ? render(text, formatPath(path)) : text,
  ) as JobSpec;
  if (rendered === spec) return spec;
  const job: Job = {
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name: context.job.name },
    spec: rendered,
  };
  const schema = schemaFindings('job', job);
  const findings = schema.length > 0 ? schema : renderedFindings({ job, text: JSON.stringify(job), manifestPath });
  const [first] = findings;
  if (first) throw renderedInvalid(manifestPath, `${formatPath(first.path)}: ${first.message}`);
  return rendered;
}

/** One text with the values of its templates, for what is not part of a task: `where` names it, such as `spec.concurrency.group`. */
export function renderText(text: string, context: ExpressionContext, manifestPath: string, where: string): string {
  return holdsTemplate(text) ? renderer(context, manifestPath)(text, where) : text;
}

const FILLED_IN: ReadonlySet<string> = new Set(['task', 'run']);

function renderer(context: ExpressionContext, manifestPath: string): (text: string, where: string) => string {
  let values: CelValues | undefined;
  let length = 0;
  return (text, where) => {
    values ??= valuesOf(context);
    let rendered = '';
    for (const part of splitTemplate(text) ?? []) {
      rendered += part.kind === 'text' ? part.text : evaluateText(part.expression, values, `${manifestPath}: ${where}`);
      // Before anything is put together that no run could carry.
      if (length + rendered.length > CONTENT_LIMIT)
        throw renderedInvalid(
          manifestPath,
          `${where}: with its values the job is larger than ${formatBytes(CONTENT_LIMIT)}`,
        );
    }
    length += rendered.length;
    return rendered;
  };
}

const renderedInvalid = (manifestPath: string, message: string): Error =>
  terminalError('RenderedInvalid', `${manifestPath}: ${message}`, {
    hint: 'This is with the values of ${{ }} filled in; check what the run was started with.',
  });

/** The same value where no text changes. */
function renderValue(value: unknown, path: FieldPath, render: (text: string, path: FieldPath) => string): unknown {
  if (typeof value === 'string') return holdsTemplate(value) ? render(value, path) : value;
  if (typeof value !== 'object' || value === null) return value;
  let changed = false;
  const below = (child: unknown, part: string | number): unknown => {
    const rendered = renderValue(child, [...path, part], render);
    changed ||= rendered !== child;
    return rendered;
  };
  const copy: unknown = Array.isArray(value)
    ? value.map(below)
    : Object.fromEntries(Object.entries(value).map(([key, child]) => [key, below(child, key)]));
  return changed ? copy : value;
}
