import { Global, Module } from '@nestjs/common';
import { AccessStore } from '../access/access-store.js';
import { MemoryAccessStore } from '../access/memory-access-store.js';
import { CastModule } from '../cast/cast.module.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import { KnownPrefixes } from './line/known-prefixes.js';
import { MemoryKnownPrefixes } from './line/memory-known-prefixes.js';
import { MemorySlotKeeper } from './line/memory-slot-keeper.js';
import { lineLimits, SlotKeeper } from './line/slot-keeper.js';
import { NoPeers, Peers } from './peers.js';
import { GenerationStore } from './store/generation-store.js';
import { MemoryStore } from './store/memory-store.js';

/** One node: everything is in its memory. */
@Global()
@Module({
  imports: [CastModule],
  providers: [
    { provide: GenerationStore, useClass: MemoryStore },
    {
      provide: SlotKeeper,
      inject: [CastService, Config],
      useFactory: ({ upstreams }: CastService, config: Config) =>
        new MemorySlotKeeper(upstreams, lineLimits(config)),
    },
    { provide: KnownPrefixes, useFactory: () => new MemoryKnownPrefixes() },
    { provide: Peers, useClass: NoPeers },
    { provide: AccessStore, useClass: MemoryAccessStore },
  ],
  exports: [AccessStore, GenerationStore, KnownPrefixes, SlotKeeper, Peers],
})
export class MemoryModule {}
