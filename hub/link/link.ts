/**
 * The hub's link to its devices: builds the parts of this folder in order, wires them, and disposes of them in
 * reverse. Nothing here keeps what a device must have: a restarted hub learns from hellos what there is, and
 * sends differences only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BoardPolicy } from '#protocol/fleet/v1alpha1/device.js';
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import type { AgentUpdate } from '#protocol/link/agent-update.js';
import { LinkCounters } from '#protocol/link/counters.js';
import type { DeviceStreams } from '../api/device-streams.js';
import type { JoinTokens } from '../authn/join-token.js';
import type { CertificateAuthority } from '../authn/pki/certificate-authority.js';
import type { InformerFactory } from '../cache/informer-factory.js';
import type { Client } from '../client/client.js';
import { createEventRecorder } from '../client/event-recorder.js';
import type { DeviceLink } from '../controllers/device-lifecycle/liveness.js';
import { periodically } from '../lib/periodically.js';
import { AgentUpdates } from './agent-updates.js';
import { Assignments } from './assignments.js';
import { EmbeddedBroker } from './broker.js';
import { DeviceEvents } from './device-events.js';
import { DeviceList } from './device-list.js';
import { Enrolment } from './enrolment.js';
import { ExternalBroker } from './external-broker.js';
import { Leases } from './leases.js';
import { Monitor } from './monitor.js';
import { Nodes } from './nodes.js';
import { PodTokens } from './pod-tokens.js';
import { Presence } from './presence.js';
import { Reboots } from './reboots.js';
import { Reports } from './reports.js';
import { Router } from './router.js';
import { Sender } from './sender.js';
import { type DeviceSession, SessionBook } from './session.js';
import { HubStreams } from './streams.js';
import type { HubTransport, ServingPair } from './transport.js';
import { TwinWatch } from './twin-watch.js';

/** The embedded broker. */
export interface EmbeddedOptions {
  readonly listen: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  /** Hosts under which devices reach it, best first; combined with the port of the first listener. */
  readonly hosts: readonly string[];
  /** PEM of the serving certificate, for these hosts. */
  readonly certificate: string;
  readonly privateKey: string;
}

/** A broker that somebody else runs. */
export interface ExternalOptions {
  readonly host: string;
  readonly port: number;
  /** Addresses for devices, `host:port`; `host:port` of above unless given. */
  readonly addresses?: readonly string[];
  /** PEM of the authority of the broker's certificate. */
  readonly ca: string;
  /** The hub's client certificate with common name FLEET_IDENTITY.hubOnBroker. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly writeAccessList?: (devices: readonly string[]) => Promise<void>;
}

export interface HubLinkOptions {
  /** Acts as the hub; the link also acts as devices through `as`. */
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly broker: { readonly embedded: EmbeddedOptions } | { readonly external: ExternalOptions };
  readonly ca: CertificateAuthority;
  readonly joinTokens: JoinTokens;
  /** PEM of the public key of agent releases. */
  readonly releaseKey: string;
  /** Whether a board that asks for the name of another waits for an operator. */
  readonly boardPolicy: BoardPolicy;
  /** How long after its end a device's certificate may be renewed, milliseconds. */
  readonly renewalGraceMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Makes random ids: `[a-z0-9-]`, at most 64 characters. */
  readonly newId: () => string;
  readonly logger: Logger;
}

export interface HubLink extends AsyncDisposable {
  readonly streams: DeviceStreams;
  readonly liveness: DeviceLink;
  /** Serves GET and POST /join. Never rejects. */
  joinHandler(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Shows another certificate to devices that connect from now on. */
  useCertificate(pair: ServingPair): void;
  /** MQTT addresses that devices are told, `host:port`. */
  readonly addresses: readonly string[];
  /** Devices with a session. */
  readonly connectedDevices: number;
  /** Whether the broker serves: it listens, or the hub is connected to the external one. */
  readonly brokerUp: boolean;
  readonly openStreams: number;
  /** What the link counted, for metrics. */
  counters(): Readonly<Record<string, number>>;
}

const SWEEP_TOKENS_MS = 6 * 3_600_000;
/**
 * A session without a hello is asked for one after this time, and again. Brokers let messages of QoS 0 overtake
 * those of QoS 1, so a beat before the hello means nothing at first.
 */
const HELLO_WAIT_MS = 2_000;

/** Resolves once the caches are filled and devices may connect. Rejects when the broker cannot listen. */
export async function startHubLink(options: HubLinkOptions): Promise<HubLink> {
  const stack = new AsyncStack();
  try {
    return await build(options, stack);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function build(options: HubLinkOptions, stack: AsyncStack): Promise<HubLink> {
  const { client, informers, ca, joinTokens, releaseKey, clock, random, newId, logger } = options;
  const counters = new LinkCounters(logger);
  const { transport, addresses } = makeTransport(options, counters);
  const presence = new Presence(clock);
  const sender = new Sender(transport, counters, newId().slice(0, 8));
  const events = stack.use(createEventRecorder({ client, clock, logger, component: 'covey-link' }));
  const sessions = new SessionBook({
    opened: (session) => {
      presence.connected(session.device);
      waitForHello(session);
    },
    closed: (session) => {
      assignments.ended(session.device);
      streams.lost(session.device);
      presence.disconnected(session.device);
    },
  });
  const waitForHello = (session: DeviceSession) => {
    clock.setTimer(HELLO_WAIT_MS, () => {
      if (!session.connected || session.hello !== undefined) return;
      counters.add('hellos_asked');
      sender.send(session, 'command', { kind: 'hello' });
      waitForHello(session);
    });
  };
  const withHello = (device: string) => {
    const session = sessions.current(device);
    return session?.hello === undefined ? undefined : session;
  };
  const nodes = stack.use(new Nodes({ client, clock, random, logger, counters }));
  const reports: Reports = stack.use(
    new Reports({
      client,
      clock,
      random,
      logger,
      counters,
      events: new DeviceEvents(client, clock),
      acknowledge: (session) => leases.acknowledge(session),
      unknown: (device, uid) => assignments.remove(device, uid),
      removed: (device, uid) => assignments.removed(device, uid),
    }),
  );
  const assignments: Assignments = stack.use(
    new Assignments({
      informers,
      clock,
      logger,
      counters,
      sender,
      tokens: new PodTokens(client, clock, ca.certificate),
      events,
      finalize: (pod) => reports.finalize(pod),
      settled: (session) => leases.settled(session),
    }),
  );
  const streams = stack.use(new HubStreams({ transport, clock, counters, session: withHello, newId }));
  const devices = stack.use(
    new DeviceList({
      informers,
      ca,
      transport,
      clock,
      logger,
      // When its lease ends stays known: exclusive pods must not start elsewhere before.
      cutOff: (device) => {
        sessions.forget(device);
        nodes.forget(device);
        presence.disconnected(device);
      },
      forget: (device) => {
        presence.forget(device);
        leases.forget(device);
        twins.forget(device);
      },
    }),
  );
  const leases: Leases = stack.use(
    new Leases({
      clock,
      sender,
      presence,
      classOf: (device) => assignments.classOf(device),
      slowestBeatMs: (device) => devices.slowestBeatMs(device),
      isSettled: (session) => assignments.isSettled(session),
    }),
  );
  const monitor = stack.use(new Monitor({ transport, informers, liveness: presence, counters }));
  /** Until the new agent has proved itself, or the old one is back, the device may be away again. */
  const backFromUpdate = (device: string, update: AgentUpdate | undefined) => {
    if (update !== undefined && update.last?.state !== 'OnTrial') presence.back(device);
  };
  const reboots = stack.use(new Reboots({ informers, sender, session: withHello }));
  const updates = stack.use(new AgentUpdates({ informers, sender, releaseKey, session: withHello }));
  const enrolment = new Enrolment({
    client,
    ca,
    tokens: joinTokens,
    releaseKey,
    clock,
    logger,
    counters,
    events,
    boardPolicy: options.boardPolicy,
    renewalGraceMs: options.renewalGraceMs,
    mqttAddresses: addresses,
    boundTo: (serial) => devices.boundTo(serial),
    joined: async (device, replaces) => {
      if (replaces) leases.handedOver(device);
      twins.forget(device);
      sessions.forget(device);
      await devices.joined(device);
    },
  });
  const twins = new TwinWatch((device) => {
    enrolment.twinFound(device).catch((error: unknown) => {
      logger.warn(
        { err: error, device },
        'a second machine with the identity of a device could not be told of',
      );
    });
  });
  stack.use(
    periodically({
      name: 'removal of expired join tokens',
      intervalMs: SWEEP_TOKENS_MS,
      clock,
      logger,
      work: () => joinTokens.sweep(),
    }),
  );
  const router = new Router({
    sessions,
    counters,
    logger,
    admitted: (device) => devices.admitted(device),
    highestEpoch: (device) => devices.highestEpoch(device),
    handlers: {
      heard: ({ device }) => {
        if (presence.heard(device)) nodes.heardAgain(device);
      },
      hello: (session, hello) => {
        session.hello = hello;
        twins.heard(session.device, hello.bootId);
        session.claimedClass = hello.cadenceClass;
        nodes.helloSaid(session.device, session.epoch, hello);
        reports.helloSaid(session);
        assignments.helloSaid(session, hello.has);
        updates.helloSaid(session, hello.update);
        reboots.helloSaid(session);
        backFromUpdate(session.device, hello.update);
      },
      beat: (session, sequence, beat) => {
        if (beat.a !== undefined) assignments.accepted(session, beat.a);
        leases.beat(session, sequence, beat);
      },
      report: (session, sequence, report) => {
        reports.receive(session, sequence, report);
      },
      node: (session, report) => {
        nodes.reported(session.device, report);
        backFromUpdate(session.device, report.update);
      },
      telemetry: (session, sample) => monitor.telemetry(session.device, sample),
      renew: (session, { csr }) => {
        enrolment
          .renew(session.device, csr)
          .then((answer) => sender.send(session, 'command', { kind: 'certificate', ...answer }))
          .catch((error: unknown) => {
            logger.warn({ err: error, device: session.device }, 'a certificate could not be renewed');
          });
      },
      stream: (device, id, frame) => streams.receive(device, id, frame),
    },
  });
  await assignments.synced();
  await devices.announce();
  let brokerUp = false;
  stack.use(transport);
  await transport.start({
    message: (topic, payload) => router.message(topic, payload),
    connection: (up) => {
      brokerUp = up;
      presence.blind(!up);
      monitor.connection(up);
    },
  });
  return {
    streams,
    liveness: {
      get: (device) => presence.get(device),
      subscribe: (changed) => presence.subscribe(changed),
      restate: (device) => nodes.heardAgain(device),
      revoke: async (device) => {
        await devices.revoke(device);
        await joinTokens.retire(device);
      },
    },
    joinHandler: (request, response) => enrolment.handle(request, response),
    useCertificate: (pair) => transport.useCertificate(pair),
    get addresses() {
      return addresses();
    },
    get brokerUp() {
      return brokerUp;
    },
    get connectedDevices() {
      return [...sessions.all()].length;
    },
    get openStreams() {
      return streams.size;
    },
    counters: () => counters.snapshot(),
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

function makeTransport(
  { broker, ca, clock, random, logger }: HubLinkOptions,
  counters: LinkCounters,
): { transport: HubTransport; addresses: () => readonly string[] } {
  if ('embedded' in broker) {
    const { hosts, ...embedded } = broker.embedded;
    const transport = new EmbeddedBroker({ ...embedded, ca, clock, logger, counters });
    const addresses = () => {
      const port = transport.addresses[0]?.port ?? embedded.listen[0]?.port ?? 0;
      return hosts.map((host) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`));
    };
    return { transport, addresses };
  }
  const { addresses, ...external } = broker.external;
  const transport = new ExternalBroker({ ...external, clock, random, logger, counters });
  return { transport, addresses: () => addresses ?? [`${external.host}:${external.port}`] };
}
