import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { Audience } from './audience.js';
import { SocketCallers } from './socket-caller.js';
import { SocketHandshake } from './socket-handshake.js';
import { SocketSessions } from './socket-sessions.js';
import { SocketGateway } from './socket.gateway.js';

@Module({
  imports: [AccessModule, GenerationsModule],
  providers: [Audience, SocketCallers, SocketGateway, SocketHandshake, SocketSessions],
  exports: [Audience, SocketGateway],
})
export class SocketModule {}
