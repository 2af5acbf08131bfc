/** Kubernetes' rules for names, label keys and values, worded as it words them; and generated names. */

const LABEL_PATTERN = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN_PATTERN = `${LABEL_PATTERN}(\\.${LABEL_PATTERN})*`;
const LABEL_1035_PATTERN = '[a-z]([-a-z0-9]*[a-z0-9])?';
const QUALIFIED_PATTERN = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const VALUE_PATTERN = `(${QUALIFIED_PATTERN})?`;
const RELAXED_ENV_PATTERN = /^[ -<>-~]+$/;
const CONFIG_KEY_PATTERN = '[-._a-zA-Z0-9]+';

const LABEL = new RegExp(`^${LABEL_PATTERN}$`);
const SUBDOMAIN = new RegExp(`^${SUBDOMAIN_PATTERN}$`);
const LABEL_1035 = new RegExp(`^${LABEL_1035_PATTERN}$`);
const QUALIFIED = new RegExp(`^${QUALIFIED_PATTERN}$`);
const VALUE = new RegExp(`^${VALUE_PATTERN}$`);
const CONFIG_KEY = new RegExp(`^${CONFIG_KEY_PATTERN}$`);

const MAX_LABEL = 63;
const MAX_SUBDOMAIN = 253;

function tooLongText(limit: number): string {
  return `must be no more than ${limit} characters`;
}

/** The two blanks before `or` are Kubernetes' own. */
function regexText(message: string, pattern: string, ...examples: readonly string[]): string {
  const shown = examples.map((example) => `'${example}'`).join(',  or ');
  return `${message} (${examples.length > 0 ? `e.g. ${shown}, ` : ''}regex used for validation is '${pattern}')`;
}

/** Each checker returns what is wrong, worded to follow `Invalid value: "x": `; empty when all is well. */
export type NameCheck = (value: string) => string[];

export const checkDns1123Label: NameCheck = (value) => {
  const problems: string[] = [];
  if (value.length > MAX_LABEL) problems.push(tooLongText(MAX_LABEL));
  if (!LABEL.test(value)) {
    problems.push(
      regexText(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        LABEL_PATTERN,
        'my-name',
        '123-abc',
      ),
    );
  }
  return problems;
};

export const checkDns1123Subdomain: NameCheck = (value) => {
  const problems: string[] = [];
  if (value.length > MAX_SUBDOMAIN) problems.push(tooLongText(MAX_SUBDOMAIN));
  if (!SUBDOMAIN.test(value)) {
    problems.push(
      regexText(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        SUBDOMAIN_PATTERN,
        'example.com',
      ),
    );
  }
  return problems;
};

export const checkDns1035Label: NameCheck = (value) => {
  const problems: string[] = [];
  if (value.length > MAX_LABEL) problems.push(tooLongText(MAX_LABEL));
  if (!LABEL_1035.test(value)) {
    problems.push(
      regexText(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        LABEL_1035_PATTERN,
        'my-name',
        'abc-123',
      ),
    );
  }
  return problems;
};

/** Names that are only a segment of a URL (RBAC). */
export const checkPathSegment: NameCheck = (value) => {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  const problems: string[] = [];
  for (const bad of ['/', '%']) if (value.includes(bad)) problems.push(`may not contain '${bad}'`);
  return problems;
};

/** Label keys, annotation keys (in lower case), resource and condition names: `[prefix/]name`. */
export const checkQualifiedName: NameCheck = (value) => {
  const slash = value.indexOf('/');
  const problems: string[] = [];
  let name = value;
  if (slash !== -1) {
    const prefix = value.slice(0, slash);
    name = value.slice(slash + 1);
    if (name.includes('/')) {
      return [
        `a qualified name ${regexText("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character", QUALIFIED_PATTERN, 'MyName', 'my.name', '123-abc')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
      ];
    }
    if (prefix === '') problems.push('prefix part must be non-empty');
    else problems.push(...checkDns1123Subdomain(prefix).map((problem) => `prefix part ${problem}`));
  }
  if (name === '') problems.push('name part must be non-empty');
  else if (name.length > MAX_LABEL) problems.push(`name part ${tooLongText(MAX_LABEL)}`);
  if (!QUALIFIED.test(name)) {
    problems.push(
      `name part ${regexText("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character", QUALIFIED_PATTERN, 'MyName', 'my.name', '123-abc')}`,
    );
  }
  return problems;
};

export const checkLabelValue: NameCheck = (value) => {
  const problems: string[] = [];
  if (value.length > MAX_LABEL) problems.push(tooLongText(MAX_LABEL));
  if (!VALUE.test(value)) {
    problems.push(
      regexText(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        VALUE_PATTERN,
        'MyValue',
        'my_value',
        '12345',
      ),
    );
  }
  return problems;
};

/** Names of environment variables: any printable ASCII but '='. */
export const checkEnvName: NameCheck = (value) =>
  RELAXED_ENV_PATTERN.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];

/** Keys of ConfigMaps and Secrets; they become file names. */
export const checkConfigKey: NameCheck = (value) => {
  const problems: string[] = [];
  if (value.length > MAX_SUBDOMAIN) problems.push(tooLongText(MAX_SUBDOMAIN));
  if (!CONFIG_KEY.test(value)) {
    problems.push(
      regexText(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        CONFIG_KEY_PATTERN,
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    );
  }
  if (value === '.') problems.push("must not be '.'");
  else if (value === '..') problems.push("must not be '..'");
  else if (value.startsWith('..')) problems.push("must not start with '..'");
  return problems;
};

/** Names of container ports: at most 15 of a-z, 0-9 and '-', with a letter. */
export const checkPortName: NameCheck = (value) => {
  const problems: string[] = [];
  if (value.length > 15) problems.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(value)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) problems.push('must not begin or end with a hyphen');
  return problems;
};

/** Letters and digits that neither look alike nor spell words. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_BASE = MAX_LABEL - SUFFIX_LENGTH;

/** A name from `generateName`: five random characters are added. `random` yields numbers in [0, 1). */
export function generateName(base: string, random: () => number): string {
  let suffix = '';
  for (let index = 0; index < SUFFIX_LENGTH; index++) {
    suffix += SUFFIX_ALPHABET[Math.floor(random() * SUFFIX_ALPHABET.length)];
  }
  return `${base.slice(0, MAX_GENERATED_BASE)}${suffix}`;
}
