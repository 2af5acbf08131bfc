/** The part of mqtt-packet that its own declarations leave out. */
declare module 'mqtt-packet/numbers.js' {
  const numbers: {
    /** What the writer prepared for packet identifiers. */
    readonly cache: Readonly<Record<number, Uint8Array>>;
    /** A length as MQTT's variable byte integer. */
    genBufVariableByteInt: (length: number) => Uint8Array;
  };
  export = numbers;
}
