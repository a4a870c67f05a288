import { convertAlfred, refusesTemplates } from './alfred.ts';
import { convertWorkflow } from './github/workflow.ts';
import { convertKubernetes } from './kubernetes/documents.ts';
import { convertOpslevel } from './opslevel.ts';
import { convertSemaphore } from './semaphore/request.ts';
import type { Dialect, System } from './system.ts';

/** How the files of each system are read. */
export const DIALECTS: Readonly<Record<System, Dialect>> = {
  opslevel: { convert: convertOpslevel, templates: false },
  alfred: { convert: convertAlfred, templates: false, refuses: refusesTemplates },
  semaphore: { convert: convertSemaphore, templates: false },
  github: { convert: convertWorkflow, templates: true },
  kubernetes: { convert: convertKubernetes, templates: false },
};
