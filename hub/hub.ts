/**
 * The hub's composition root: builds every part in the order of the request path, gives each only what it
 * needs, and disposes them in reverse. Resolves when the API answers; the parts that act (scheduler,
 * controllers) start last, so that nothing is decided on half a view.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { loadProfiles } from '#firmware-profiles/load.js';
import { IDENTITY } from '#protocol/core/v1/well-known.js';
import { FLEET_IDENTITY, FLEET_NAMESPACE } from '#protocol/fleet/v1alpha1/well-known.js';
import { KINDS } from '#protocol/kinds.js';
import type { Clock } from '#protocol/lib/clock.js';
import { AsyncStack } from '#protocol/lib/disposable-stack.js';
import type { Logger } from '#protocol/lib/logger.js';
import { ApiError } from '#protocol/meta/status.js';
import { createApi } from './api/api.js';
import type { DeviceStreams } from './api/device-streams.js';
import { AuditLog } from './api/filters/audit.js';
import { createOpenApi } from './api/openapi/openapi.js';
import { createAuthenticator } from './authn/create-authenticator.js';
import { JoinTokens } from './authn/join-token.js';
import { writeKubeconfig } from './authn/kubeconfig.js';
import { CertificateAuthority } from './authn/pki/certificate-authority.js';
import type { KeyPairPem } from './authn/pki/certificates.js';
import { openReleaseKey } from './authn/pki/release-key.js';
import { openSigningKey } from './authn/pki/signing-key.js';
import { ServiceAccountTokens } from './authn/service-account.js';
import { HUB_USER } from './authz/bootstrap-policy.js';
import { rulesFor } from './authz/rbac.js';
import { serveBackup } from './backup/route.js';
import { createInformerFactory } from './cache/informer-factory.js';
import { certificateNames, deviceHosts, type HubConfig, type ListenAddress } from './config.js';
import { startControllers } from './controllers/start-controllers.js';
import { ImageRegistry } from './images/image-registry.js';
import { formatAddress } from './lib/arguments.js';
import { type DataLayout, dataLayout } from './lib/data-layout.js';
import { exists } from './lib/files.js';
import { periodically } from './lib/periodically.js';
import { COVEY_VERSION } from './lib/version.js';
import { accessListWriter } from './link/access-list-file.js';
import { type HubLinkOptions, startHubLink } from './link/link.js';
import { bootstrapProfiles } from './registry/bootstrap-profiles.js';
import { isSecretKey } from './registry/keys.js';
import { createLookups } from './registry/lookups.js';
import { openRegistry } from './registry/open-registry.js';
import { startScheduler } from './scheduler/scheduler.js';
import { extraRoutes } from './server/extra-routes.js';
import type { HealthChecks } from './server/health.js';
import { startHttpServer } from './server/http-server.js';
import { pathAuthorizer } from './server/path-access.js';
import { openLevelStore } from './store/level-store.js';
import { createSealing, loadSealingKeys } from './store/sealing.js';

/** Common name of the certificate in the kubeconfig that the hub writes. */
const ADMIN = 'admin';
/** A certificate is renewed in the last third of its life: looking once a day is often. */
const CERTIFICATE_CHECK_MS = 24 * 3_600_000;
const ISSUER = 'https://kubernetes.default.svc';

export interface Hub extends AsyncDisposable {
  /** Base URL of the API for this machine. */
  readonly server: string;
  readonly addresses: readonly ListenAddress[];
}

export async function startHub(config: HubConfig, clock: Clock, logger: Logger): Promise<Hub> {
  const stack = new AsyncStack();
  try {
    return await compose(config, clock, logger, stack);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function compose(config: HubConfig, clock: Clock, logger: Logger, stack: AsyncStack): Promise<Hub> {
  const layout = dataLayout(config.dataDir);
  const random = Math.random;
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });

  // Keys and store.
  const authority = await CertificateAuthority.open({ directory: layout.pki, clock });
  await requireKeyOfStore(layout);
  const sealing = createSealing(await loadSealingKeys(layout.sealingKey), isSecretKey);
  const store = stack.use(
    await openLevelStore({
      directory: layout.store,
      clock,
      logger: logger.child({ part: 'store' }),
      sealing,
      random,
    }),
  );

  // Who, may they, and the objects.
  const tokens = new ServiceAccountTokens({
    key: await openSigningKey(layout.pki),
    issuer: ISSUER,
    audiences: [ISSUER],
    clock,
    lookup: createLookups(store).uid,
    newId: randomUUID,
  });
  const authenticator = createAuthenticator({ authority, clock, tokens: [tokens] });
  const { registry, authorizer, rbac } = stack.use(
    await openRegistry({ store, clock, logger: logger.child({ part: 'registry' }), tokens, random }),
  );
  await bootstrapProfiles(registry, await loadProfiles(), new AbortController().signal);

  // The API, and the client by which everything below acts.
  const audit =
    config.auditLog === undefined
      ? undefined
      : stack.use(await AuditLog.open(config.auditLog, clock, logger));
  const late = lateStreams();
  const openApi = createOpenApi(KINDS, COVEY_VERSION);
  const api = createApi({
    registry,
    authenticator,
    authorizer,
    streams: late,
    clock,
    logger: logger.child({ part: 'api' }),
    kinds: KINDS,
    version: COVEY_VERSION,
    openApi: (path, accept) => openApi.document(path, accept),
    rulesOf: (user, namespace) => rulesFor(rbac, user, namespace),
    ...(audit === undefined ? {} : { audit }),
  });
  const clientOf = (part: keyof typeof HUB_USER) =>
    api.client({ username: HUB_USER[part], groups: [IDENTITY.authenticatedGroup] });
  const informers = stack.use(
    createInformerFactory(clientOf('cache'), clock, logger.child({ part: 'cache' }), random),
  );

  // Devices.
  const serving = await authority.serving('hub', certificateNames(config));
  const link = stack.use(
    await startHubLink({
      client: clientOf('link'),
      informers,
      ca: authority,
      broker: await brokerOptions(config, authority, serving),
      releaseKey: (await openReleaseKey(layout.pki)).publicKey,
      joinTokens: new JoinTokens({
        client: clientOf('joining'),
        clock,
        namespace: FLEET_NAMESPACE,
        randomBytes,
      }),
      boardPolicy: config.boardPolicy,
      renewalGraceMs: config.renewalGraceMs,
      clock,
      random,
      newId: randomUUID,
      logger: logger.child({ part: 'link' }),
    }),
  );
  late.use(link.streams);
  const { metrics } = api;
  metrics.collect('covey_devices_connected', 'Devices with a session.', () => link.connectedDevices);
  metrics.collect('covey_link_streams', 'Streams to devices that are open.', () => link.openStreams);
  metrics.collectCounters(
    'covey_link_events_total',
    'What the link to the devices has counted.',
    'event',
    () => link.counters(),
  );

  // Images.
  const authorize = pathAuthorizer(authenticator, authorizer);
  const images = stack.use(
    await ImageRegistry.open({
      directory: layout.images,
      clock,
      logger: logger.child({ part: 'images' }),
      authorize,
    }),
  );

  // Alive is who answers; ready is who can also write, reach devices and see everything.
  let informersSynced = false;
  addReadiness(api.health, {
    store: () => store.failure?.message,
    broker: () => (link.brokerUp ? undefined : 'the broker cannot be reached'),
    'informer-sync': () => (informersSynced ? undefined : 'the caches are still being filled'),
  });

  // The door.
  const server = stack.use(
    await startHttpServer({
      listen: config.listen,
      tls: { cert: serving.certificate, key: serving.privateKey, ca: authority.certificate },
      api,
      extraRoutes: extraRoutes({
        images: (request, response) => images.handle(request, response),
        join: (request, response) => link.joinHandler(request, response),
        backup: (request, response) =>
          serveBackup(
            {
              source: () => ({ layout, temporary: config.dataDir, store, now: clock.now() }),
              authorize,
              logger,
            },
            request,
            response,
          ),
      }),
      clock,
      logger: logger.child({ part: 'server' }),
    }),
  );
  const url = `https://${localAddress(server.addresses)}`;
  const writeAdmin = async () => {
    const credentials = await authority.client(ADMIN, {
      commonName: ADMIN,
      organizations: [IDENTITY.mastersGroup],
    });
    await writeKubeconfig(layout.kubeconfig, {
      server: url,
      authority: authority.certificate,
      user: ADMIN,
      credentials,
    });
  };
  await writeAdmin();
  stack.use(
    periodically({
      name: 'renewal of certificates',
      intervalMs: CERTIFICATE_CHECK_MS,
      clock,
      logger,
      work: async () => {
        const { certificate, privateKey } = await authority.serving('hub', certificateNames(config));
        server.reloadTls({ cert: certificate, key: privateKey, ca: authority.certificate });
        link.useCertificate({ certificate, privateKey });
        await writeAdmin();
      },
    }),
  );

  // What acts.
  const parts = { informers, clock, random };
  stack.use(
    startControllers({
      ...parts,
      client: clientOf('controllers'),
      liveness: link.liveness,
      logger: logger.child({ part: 'controllers' }),
    }),
  );
  stack.use(
    startScheduler({
      ...parts,
      client: clientOf('scheduler'),
      images: images.platforms,
      logger: logger.child({ part: 'scheduler' }),
    }),
  );
  await informers.synced();
  informersSynced = true;
  logger.info({ server: url, version: COVEY_VERSION }, 'hub is ready');
  return {
    server: url,
    addresses: server.addresses,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** A store without its key cannot be read: a new key must not take the lost one's place. */
async function requireKeyOfStore({ store, sealingKey }: DataLayout): Promise<void> {
  if ((await exists(store)) && !(await exists(sealingKey))) {
    throw new Error(
      `${sealingKey} is missing, but the store in ${store} was written with it: restore both from a backup`,
    );
  }
}

async function brokerOptions(
  config: HubConfig,
  authority: CertificateAuthority,
  serving: KeyPairPem,
): Promise<HubLinkOptions['broker']> {
  const { certificate, privateKey } = serving;
  if (config.broker === undefined) {
    const hosts = deviceHosts(config, config.mqttListen);
    return { embedded: { listen: config.mqttListen, hosts, certificate, privateKey } };
  }
  const { address, caFile, accessList } = config.broker;
  const own = await authority.client('broker', { commonName: FLEET_IDENTITY.hubOnBroker });
  // Without another authority the broker needs a certificate of this one: it is there for it to use.
  if (caFile === undefined) await authority.serving('mosquitto', [address.host]);
  const ca = caFile === undefined ? authority.certificate : await readFile(caFile, 'utf8');
  const writer =
    accessList === undefined
      ? {}
      : { writeAccessList: accessListWriter({ ...accessList, readers: [ADMIN] }) };
  return { external: { ...address, ca, ...own, ...writer } };
}

/** Adds readiness checks; each tells what is wrong, or undefined. */
function addReadiness(
  health: HealthChecks,
  checks: Readonly<Record<string, () => string | undefined>>,
): void {
  for (const [name, trouble] of Object.entries(checks)) {
    const check = () => {
      const reason = trouble();
      if (reason !== undefined) throw new Error(reason);
    };
    health.add(name, check, { readinessOnly: true });
  }
}

/** Streams for the API before the link exists: the API must be there first, for the link is its client. */
function lateStreams(): DeviceStreams & { use(streams: DeviceStreams): void } {
  let streams: DeviceStreams | undefined;
  return {
    use: (made) => {
      streams = made;
    },
    async open(device, request, signal) {
      if (streams === undefined) throw ApiError.serviceUnavailable('the hub is starting; try again');
      return streams.open(device, request, signal);
    },
  };
}

/** The address that a client on this machine dials: loopback if it is listened on. */
function localAddress(addresses: readonly ListenAddress[]): string {
  const dialled = addresses.map(({ host, port }) => ({
    host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host,
    port,
  }));
  const [first = { host: '127.0.0.1', port: 6443 }] = dialled;
  return formatAddress(dialled.find(({ host }) => host === '127.0.0.1' || host === '::1') ?? first);
}
