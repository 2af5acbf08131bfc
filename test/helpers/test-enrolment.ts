/** The hub's join endpoint over a client in memory, with whatever a test does not care about. */
import { DEVICES } from '#hub/cache/resources.js';
import { Enrolment, type EnrolmentOptions } from '#hub/link/enrolment.js';
import type { Device } from '#protocol/fleet/v1alpha1/device.js';
import { silentLogger } from '#protocol/lib/logger.js';
import { LinkCounters } from '#protocol/link/counters.js';
import type { FakeClient } from './fake-client.js';

const YEAR_MS = 365 * 24 * 3_600_000;

type Given = Pick<EnrolmentOptions, 'ca' | 'tokens' | 'clock' | 'boardPolicy'> &
  Partial<Pick<EnrolmentOptions, 'events' | 'mqttAddresses'>> & { readonly client: FakeClient };

export function testEnrolment(given: Given): Enrolment {
  return new Enrolment({
    releaseKey: 'a public key',
    logger: silentLogger,
    counters: new LinkCounters(silentLogger),
    events: { record: () => undefined },
    renewalGraceMs: YEAR_MS,
    mqttAddresses: () => ['hub:8883'],
    boundTo: (serial) =>
      given.client
        .all<Device>(DEVICES)
        .filter(({ spec }) => spec.boardSerial === serial)
        .map(({ metadata }) => metadata.name),
    joined: async () => undefined,
    ...given,
  });
}
