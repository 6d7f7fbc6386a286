import { isIPv6 } from 'node:net';

/**
 * What a limit of addresses counts by: the address; of IPv6 its network of 64 bits, which one
 * subscriber has whole (RFC 6177).
 * @param address maybe with the port of the connection, as some proxies tell it
 */
export function networkOf(address: string): string {
  const bare = withoutPort(address);
  if (!isIPv6(bare)) return bare;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped?.[1] !== undefined) return mapped[1];
  const groups = groupsOf(bare);
  // The same address, written without dots.
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff') {
    return groups.slice(6).flatMap(bytesOf).join('.');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** An address without the port of its connection, and without the brackets that go with that. */
export function withoutPort(address: string): string {
  const [, six] = /^\[(.+)\](?::\d+)?$/.exec(address) ?? [];
  const [, four] = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(address) ?? [];
  return six ?? four ?? address;
}

/** The eight groups of an IPv6 address, in hex. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return groups.map((group) => Number.parseInt(group, 16).toString(16));
}

function bytesOf(group: string): number[] {
  const bits = Number.parseInt(group, 16);
  return [bits >> 8, bits & 255];
}
