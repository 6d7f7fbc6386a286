import { networkInterfaces } from 'node:os';
import { renderUnicodeCompact } from 'uqr';

/** The IPv4 addresses of this machine under which others in its networks reach it. */
export function lanAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
}

/** An address as a QR code (ISO/IEC 18004) for a terminal. */
export function qrCode(address: string): string {
  return renderUnicodeCompact(address);
}
