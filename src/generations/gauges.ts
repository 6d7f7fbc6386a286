import { Injectable } from '@nestjs/common';

/** How a socket is connected. */
export type Transport = 'polling' | 'websocket';

/** What some room knows at any moment, and others may want to measure. */
export interface GaugeValues {
  /** Connected sockets. */
  sockets: Readonly<Record<Transport, number>>;
  /** Milliseconds since the other nodes last heard this one. */
  leaseAgeMs: number;
  /** Copies of this node's generations that other nodes keep up to date. */
  followers: number;
}

/** Numbers that rooms put up, and that are read only when somebody measures. */
@Injectable()
export class Gauges {
  private readonly sources: { [Name in keyof GaugeValues]?: () => GaugeValues[Name] } = {};

  put<Name extends keyof GaugeValues>(name: Name, read: () => GaugeValues[Name]): void {
    Object.assign(this.sources, { [name]: read });
  }

  /** Undefined where no room has put it up. */
  read<Name extends keyof GaugeValues>(name: Name): GaugeValues[Name] | undefined {
    return this.sources[name]?.();
  }
}
