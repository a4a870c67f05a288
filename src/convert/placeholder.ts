/**
 * A script that stands where a person has to write one: it always fails, so that nothing that was not carried over is ever called
 * a success. `what` is one of our own sentences, or text of the input; it ends up in quotes.
 */
export function failingScript(what: string): string {
  const quoted = `'TODO(convert): ${what.replaceAll(/[\p{C}\s]+/gu, ' ').replaceAll("'", String.raw`'\''`)}'`;
  return `echo ${quoted} >&2\nexit 1\n`;
}

/** Said of each job whose images were made for another user and folder. */
export const IMAGE_TODO =
  'steps run as user 65532 and start in an empty workspace, not as the USER and in the WORKDIR of the image; write user and workingDirectory where that matters';
