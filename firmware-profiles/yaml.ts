/** The YAML parser, in a module of its own so that it is loaded only where a profile is written in YAML. */
export { parse as parseYaml } from 'yaml';
