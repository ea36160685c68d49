/** The kinds of configuration and what belongs to each. */
import { z } from "zod";
import {
  type AnonymizerConfig,
  type AnonymizerConfigInput,
  anonymizerPathKeys,
  anonymizerSchema,
} from "./anonymizer-config.ts";
import {
  trainingPathKeys,
  type UNetTrainerConfig,
  type UNetTrainerConfigInput,
  unetTrainerSchema,
  type VAETrainerConfig,
  type VAETrainerConfigInput,
  vaeTrainerSchema,
} from "./training-config.ts";

export interface ConfigByKind {
  vae: VAETrainerConfig;
  unet: UNetTrainerConfig;
  anonymizer: AnonymizerConfig;
}
export interface ConfigInputByKind {
  vae: VAETrainerConfigInput;
  unet: UNetTrainerConfigInput;
  anonymizer: AnonymizerConfigInput;
}
export type ConfigKind = keyof ConfigByKind;

export const configKinds = ["vae", "unet", "anonymizer"] as const satisfies readonly ConfigKind[];

const schemas = { vae: vaeTrainerSchema, unet: unetTrainerSchema, anonymizer: anonymizerSchema };

export const schemaOf = (kind: ConfigKind): z.ZodType => schemas[kind];

/** Keys of `kind` whose values are paths. */
export function pathKeysOf(kind: ConfigKind): readonly (readonly string[])[] {
  return kind === "anonymizer" ? anonymizerPathKeys : trainingPathKeys[kind];
}

/** A JSON Schema node, as far as this room looks into it. */
export interface JsonSchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchemaNode>>;
  readonly oneOf?: readonly JsonSchemaNode[];
  readonly items?: JsonSchemaNode | false;
}

/** JSON Schema (draft 2020-12) of what a user may write: for editors (`# yaml-language-server: $schema=…`) and forms. */
export function configJsonSchema(kind: ConfigKind): JsonSchemaNode & Record<string, unknown> {
  const schema = z.toJSONSchema(schemas[kind], { io: "input" });
  return { title: `anonymizer-native ${kind} configuration`, ...schema } as JsonSchemaNode & Record<string, unknown>;
}
