/** What a step says to the platform that runs it: annotations, outputs, a summary. */

/** A note at a place of the repository. */
export interface Annotation {
  readonly level: 'error' | 'warning' | 'notice';
  readonly message: string;
  readonly title?: string;
  /** From the root of the repository. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/**
 * A workflow command, as a line without its end
 * (https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands). No text can forge another one.
 */
export function annotationLine({ level, message, title, file, line, column }: Annotation): string {
  const properties = Object.entries({ file, line, col: column, title })
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${escapeProperty(String(value))}`]))
    .join(',');
  return `::${level}${properties === '' ? '' : ` ${properties}`}::${escapeData(message)}`;
}

// As actions/toolkit has it: https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** An entry of the file that GITHUB_OUTPUT names. `delimiter` must be unknown to whoever wrote the value. */
export function outputEntry(name: string, value: string, delimiter: string): string {
  if (value.includes(delimiter)) throw new TypeError(`the value of ${name} holds its delimiter`);
  return `${name}<<${delimiter}\n${value}\n${delimiter}\n`;
}

/**
 * Prints what jobs print. Between begin and end nothing of it is taken for a command of the workflow, wherever in a line it stands;
 * `token` must be unknown to the jobs.
 */
export function createFence(token: string, write: (line: string) => void) {
  return {
    begin: (): void => write(`::stop-commands::${token}`),
    line: (text: string): void => write(text.replaceAll(token, '***')),
    end: (): void => write(`::${token}::`),
  };
}
