/**
 * The answer to what is not an HTTP request: malformed, too slow, or with headers that are too large. Speaks
 * raw HTTP because there is no request to answer; always ends the connection.
 */
import type { Duplex } from 'node:stream';
import { ApiError } from '#protocol/meta/status.js';

export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { code, phrase, apiError } = describe(error);
  const body = JSON.stringify(apiError.status);
  socket.end(
    `HTTP/1.1 ${code} ${phrase}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function describe(error: NodeJS.ErrnoException): { code: number; phrase: string; apiError: ApiError } {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        code: 431,
        phrase: 'Request Header Fields Too Large',
        apiError: new ApiError(431, 'BadRequest', 'the request header is larger than 64 KiB'),
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        code: 408,
        phrase: 'Request Timeout',
        apiError: new ApiError(408, 'Timeout', 'the request did not arrive in time'),
      };
    default:
      return {
        code: 400,
        phrase: 'Bad Request',
        apiError: ApiError.badRequest('the request is not valid HTTP/1.1'),
      };
  }
}
