/** The LabelSelector object of workloads and affinity terms. Parsing and matching: label-selector.ts. */
import { z } from 'zod';
import { atomicList, atomicStruct, stringMap, struct } from './schema.js';

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export const labelSelectorRequirementSchema = struct(`${META}.LabelSelectorRequirement`, {
  key: z.string(),
  operator: z.string(),
  values: atomicList(z.string()).optional(),
});
export type LabelSelectorRequirement = z.infer<typeof labelSelectorRequirementSchema>;

export const labelSelectorSchema = atomicStruct(
  struct(`${META}.LabelSelector`, {
    matchLabels: stringMap().optional(),
    matchExpressions: atomicList(labelSelectorRequirementSchema).optional(),
  }),
);
export type LabelSelector = z.infer<typeof labelSelectorSchema>;
