import { createCatalogBuilder } from '../../../job/catalog.ts';
import type { Catalog } from '../../../job/model.ts';
import type { Row } from '../../../pulls/report.ts';
import { selectFor } from '../../../pulls/selection.ts';
import type { Subject } from '../../../pulls/subject.ts';
import type { PullRequestOrder } from '../../../reconciler/pull-request.ts';
import type { GitSource, Source } from '../../../sources/port.ts';
import type { Charge } from '../parts.ts';

/** What of a pull request runs at its head, and by which jobs. */
export interface Judged {
  readonly subject: Subject;
  /** The jobs that count, as they were judged: what comes to the base later was judged by nobody. */
  readonly jobs: Source;
  readonly order: PullRequestOrder;
  /** What would run, were the head approved. */
  readonly refused: readonly Row[];
  /** Of the jobs that count, and of the head. */
  readonly catalog: Catalog;
  readonly ofHead: Catalog;
}

const catalogOf = async (source: Source, signal: AbortSignal): Promise<Catalog> =>
  createCatalogBuilder().build(await source.fetch(signal), { knownFiles: new Set(), judged: () => undefined });

/**
 * Reads the jobs of a pull request, those of its head where it is trusted and else those of its base, and which of them run. Throws like
 * the source: `CommitGone` where the head has gone meanwhile.
 */
export async function judge(
  { shared: { config } }: Pick<Charge, 'shared'>,
  source: GitSource,
  subject: Subject,
  signal: AbortSignal,
): Promise<Judged> {
  const isUnapproved = subject.trust.kind === 'unapproved';
  const head = source.at(subject.head);
  const jobs = isUnapproved ? source.at(await source.tip(signal)) : head;
  const ofHead = await catalogOf(head, signal);
  const catalog = isUnapproved ? await catalogOf(jobs, signal) : ofHead;
  const { order, refused } = selectFor(subject, catalog, () => true, {
    runner: 'kubernetes',
    isSandboxed: false,
    defaults: config.defaults,
  });
  return {
    subject,
    jobs,
    order: isUnapproved ? { ...order, definitions: 'base' } : order,
    refused,
    catalog,
    ofHead,
  };
}
