/**
 * GET with `watch=1`: changes of a collection as they happen. A watch ends by itself after `timeoutSeconds`,
 * or after a random 30 to 60 minutes, so that watchers spread over time; clients resume where they were.
 */
import { forbidden } from '#protocol/meta/field-error.js';
import { refuse, scopeOf } from '../request-options.js';
import type { ResourceHandler } from './handler-context.js';

const MIN_TIMEOUT_MS = 30 * 60_000;
/** A day: longer ones are cut to it. */
const MAX_TIMEOUT_S = 86_400;

export const watch: ResourceHandler = async (
  { clock, random },
  request,
  { resource, storage, namespace, name },
) => {
  const { query } = request;
  const sendInitialEvents = query.flag('sendInitialEvents');
  const match = query.text('resourceVersionMatch');
  if (query.get('sendInitialEvents') !== undefined && match !== 'NotOlderThan') {
    const why = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    throw refuse('ListOptions', forbidden('resourceVersionMatch', why));
  }
  if (query.get('sendInitialEvents') === undefined && match !== '') {
    const why = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
    throw refuse('ListOptions', forbidden('resourceVersionMatch', why));
  }
  const seconds = query.integer('timeoutSeconds');
  const timeoutMs =
    seconds === undefined || seconds === 0
      ? MIN_TIMEOUT_MS * (1 + random())
      : Math.min(seconds, MAX_TIMEOUT_S) * 1000;

  const ended = new AbortController();
  const stop = () => {
    timer.cancel();
    request.signal.removeEventListener('abort', stop);
    ended.abort(new Error('the watch is over'));
  };
  const timer = clock.setTimer(timeoutMs, stop);
  if (request.signal.aborted) stop();
  else request.signal.addEventListener('abort', stop, { once: true });
  const scope = { ...scopeOf(request, namespace), signal: ended.signal };
  // The deprecated /watch/…/<name> names one object in the path.
  const asked = query.text('fieldSelector');
  const fieldSelector = name !== '' && asked === '' ? `metadata.name=${name}` : asked;
  const events = storage.watch(scope, {
    labelSelector: query.text('labelSelector'),
    fieldSelector,
    resourceVersion: query.text('resourceVersion'),
    allowWatchBookmarks: query.flag('allowWatchBookmarks'),
    sendInitialEvents,
    endsAfterMs: timeoutMs,
  });
  return { kind: 'watch', resource, events, stop };
};
