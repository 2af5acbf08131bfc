/**
 * cloud-init's `user-data` as text. What a person or the image's maker wrote stays, comments included; Covey's
 * entries are added once. A user-data that is not cloud-config (a script, a MIME archive) is refused by name.
 */
import { Document, isMap, isSeq, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { CardError } from '../card-error.js';

const HEADER = '#cloud-config';

export function withHostname(text: string, name: string): string {
  const document = parse(text);
  document.set('hostname', name);
  // The name is the card's; a template of the system must not change it at the next start.
  document.set('preserve_hostname', false);
  document.set('manage_etc_hosts', true);
  return render(document);
}

/** `command` runs at every boot, early; a command of Covey's that stands there already is replaced. */
export function withBootCommand(text: string, command: readonly string[], marker: string): string {
  const document = parse(text);
  const present: unknown = document.get('bootcmd');
  const list: YAMLSeq = isSeq(present) ? present : document.createNode([]);
  list.items = list.items.filter((item) => !JSON.stringify(item).includes(marker));
  list.add(document.createNode(command, { flow: true }));
  document.set('bootcmd', list);
  return render(document);
}

function parse(text: string): Document<YAMLMap> {
  if (text.trim() !== '' && !text.startsWith(HEADER)) {
    throw new CardError(
      `user-data on the boot partition starts with "${text.slice(0, 20).split('\n')[0]}", not with ${HEADER}: remove it, or turn it into cloud-config`,
    );
  }
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined)
    throw new CardError(`user-data on the boot partition: ${error.message.split('\n')[0]}`);
  if (document.contents === null) {
    const { commentBefore, comment } = document;
    document.contents = new Document({}).contents as never;
    document.commentBefore = commentBefore ?? comment;
    document.comment = null;
  }
  if (!isMap(document.contents)) {
    throw new CardError('user-data on the boot partition is not a map of settings');
  }
  return document as unknown as Document<YAMLMap>;
}

function render(document: Document): string {
  const text = document.toString({ lineWidth: 0 });
  return text.startsWith(HEADER) ? text : `${HEADER}\n${text}`;
}
