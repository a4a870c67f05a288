import { describeSet, type GraphEdge, type GraphJob, isUsual, type JobGraph } from './graph.ts';

/**
 * The graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html), as forges draw it from a code block. Nodes have
 * ids of our own and names in quotes, so that no name is taken for syntax.
 */
export function graphMermaid({ jobs, edges, runnerSets }: JobGraph): string {
  const ids = new Map(jobs.map(({ name }, index) => [name, `j${index}`]));
  const idOf = (name: string): string => ids.get(name) ?? '';
  const triggers = [...new Set(jobs.flatMap((job) => job.triggers))].sort();
  const lines = [
    ...triggers.map((text, index) => `t${index}([${quoted(text)}]):::trigger`),
    ...jobs.map((job) => `${idOf(job.name)}[${quoted(labelOf(job))}]${job.state === 'valid' ? '' : `:::${job.state}`}`),
    ...jobs.flatMap((job) => job.triggers.map((text) => `t${triggers.indexOf(text)} -.-> ${idOf(job.name)}`)),
    ...runnerSets.map((set, index) => `s${index}[[${quoted(`${set.name}: ${describeSet(set)}`)}]]`),
    ...runnerSets.flatMap((set, index) =>
      jobs.filter(({ runnerSet }) => runnerSet === set.name).map(({ name }) => `${idOf(name)} -.- s${index}`),
    ),
    ...edges.filter(({ from }) => ids.has(from)).map((edge) => `${idOf(edge.from)} ${arrow(edge)} ${idOf(edge.to)}`),
    'classDef trigger stroke-dasharray: 3 3',
    'classDef suspended color:#888,stroke:#888',
    'classDef invalid color:#b00,stroke:#b00',
  ];
  return `flowchart LR\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

const labelOf = ({ name, state }: GraphJob): string => (state === 'valid' ? name : `${name} (${state})`);

const arrow = (edge: GraphEdge): string => (isUsual(edge) ? '-->' : `-- ${quoted(edge.results.join(' or '))} -->`);

/** Text in quotes, with whatever Mermaid, Markdown or HTML would act on as character codes: `#35;` is `#`. */
const quoted = (text: string): string =>
  `"${text.replace(/[^\p{L}\p{N} .,:()/_-]/gu, (character) => `#${character.codePointAt(0) ?? 32};`)}"`;
