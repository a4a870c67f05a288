/**
 * Generates docs/reference.md from the JSON Schemas in schemas/, and from what this version says that it can't do.
 *
 *     node scripts/generate-reference.ts           writes the file
 *     node scripts/generate-reference.ts --check   only tells, with exit code 1, that the file is out of date
 */
import { writeOrCheck } from './generated.ts';
import { referencePage } from './reference/page.ts';

const TARGET = new URL('../docs/reference.md', import.meta.url);

await writeOrCheck(TARGET, referencePage(), 'the schemas and what this version refuses');
