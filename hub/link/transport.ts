/**
 * What carries the hub's messages: the embedded broker or a client of an external one. Both promise the same:
 * a message from below `devices/<d>/` was published by the holder of that device's certificate, and what is
 * sent to a device reaches that device alone.
 */
export interface TransportHandlers {
  /** A message from a device. Resolving it is what lets the next ones in (back-pressure). Never rejects. */
  message(topic: string, payload: Uint8Array): Promise<void>;
  /** The hub itself can or cannot reach the broker; always up for the embedded one. */
  connection(up: boolean): void;
}

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain?: boolean;
}

/** The hub's serving certificate; PEM. */
export interface ServingPair {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface HubTransport extends AsyncDisposable {
  /** Begins to deliver messages; called once. */
  start(handlers: TransportHandlers): Promise<void>;
  /** Publishes for everybody who may read the topic. Resolves when the broker has it. */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<void>;
  /**
   * Sends to one device. False when it is known not to be connected, so that nothing is queued for it: what
   * a device must have is derived anew from its hello.
   */
  send(device: string, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<boolean>;
  /** Cuts a device off now; resolves when it is. A device on an external broker is refused by its access list. */
  disconnect(device: string): Promise<void>;
  /** Topics below `monitor/` that the broker still holds from earlier runs of the hub. */
  retainedMonitorTopics(): Promise<readonly string[]>;
  /** Shows another certificate to devices that connect from now on; an external broker has its own. */
  useCertificate(pair: ServingPair): void;
  /** A device joined or was removed: brokers with a list of devices learn of it. */
  devicesChanged(devices: readonly string[]): Promise<void>;
}
