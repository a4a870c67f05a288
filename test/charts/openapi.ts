/** The schemas of an API server in the form that kubeconform reads: a file for each kind. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}
interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** As strict as kubeconform's own: what has named fields has no others. */
const strict = (schema: Schema): Schema =>
  schema.properties && schema.additionalProperties === undefined ? { ...schema, additionalProperties: false } : schema;

/** Writes `<kind>.json` for the kinds of these objects; `get` reads a path of the API server. */
export async function writeSchemas(
  folder: string,
  objects: readonly { readonly apiVersion: string; readonly kind: string }[],
  get: (path: string) => Promise<string>,
): Promise<void> {
  for (const apiVersion of new Set(objects.map((object) => object.apiVersion))) {
    const group = apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`;
    const { components } = JSON.parse(await get(`/openapi/v3/${group}`)) as Document;
    const schemas = Object.fromEntries(Object.entries(components.schemas).map(([name, each]) => [name, strict(each)]));
    for (const kind of new Set(objects.filter((each) => each.apiVersion === apiVersion).map((each) => each.kind))) {
      const found = Object.entries(schemas).find(([, { 'x-kubernetes-group-version-kind': kinds = [] }]) =>
        kinds.some((each) => each.kind === kind && `${each.group}/${each.version}`.replace(/^\//, '') === apiVersion),
      );
      if (!found) throw new Error(`the API server has no schema of ${apiVersion} ${kind}`);
      const schema = { $ref: `#/components/schemas/${found[0]}`, components: { schemas } };
      await writeFile(join(folder, `${kind.toLowerCase()}.json`), JSON.stringify(schema));
    }
  }
}
