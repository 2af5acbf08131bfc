/**
 * The part of node-pty that Covey uses. The package is installed under this name from a build with prebuilt
 * binaries, whose own declarations carry the other name.
 */
declare module 'node-pty' {
  export interface Pty {
    readonly pid: number;
    /** Carries the terminal's bytes; its write callback tells when the kernel has taken them. */
    readonly _socket: import('node:net').Socket;
    onData(listener: (data: Buffer) => void): { dispose(): void };
    onExit(listener: (event: { exitCode: number; signal?: number }) => void): { dispose(): void };
    resize(columns: number, rows: number): void;
    pause(): void;
    resume(): void;
    kill(signal?: string): void;
  }

  export function spawn(
    file: string,
    args: string[],
    options: {
      name: string;
      cols: number;
      rows: number;
      cwd: string;
      env: Record<string, string | undefined>;
      /** null: bytes. */
      encoding: null;
    },
  ): Pty;
}
