/** Whether a board with a fixed IPv4 address could reach its router, and the router it: a card that cannot never joins. Pure. */
import { isIPv4 } from 'node:net';

const ADDRESS_BITS = 32;
/** A network of two addresses has neither an address of its own nor one for broadcasts. */
const POINT_TO_POINT = 31;

export interface AddressProblem {
  readonly field: 'address' | 'gateway';
  readonly message: string;
}

/** Undefined when all is well, or when the texts are no addresses at all, which is told elsewhere. */
export function unreachable(cidr: string, gateway: string): AddressProblem | undefined {
  const [text = '', length] = cidr.split('/');
  const prefix = Number(length);
  if (!isIPv4(text) || !isIPv4(gateway) || !(prefix >= 1 && prefix <= ADDRESS_BITS)) return undefined;
  const size = 2 ** (ADDRESS_BITS - prefix);
  const address = numberOf(text);
  const first = address - (address % size);
  const last = first + size - 1;
  if (prefix < POINT_TO_POINT && address === first)
    return { field: 'address', message: 'it is the address of the network itself, not of a device in it' };
  if (prefix < POINT_TO_POINT && address === last)
    return { field: 'address', message: 'it is the address for broadcasts, not of a device' };
  if (gateway === text)
    return { field: 'gateway', message: 'the router cannot have the address of the device' };
  const router = numberOf(gateway);
  if (router < first || router > last)
    return { field: 'gateway', message: `the router must be in the network of ${cidr}` };
  return undefined;
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
