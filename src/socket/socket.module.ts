import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { GenerationsModule } from '../generations/generations.module.js';
import { SocketCallers } from './socket-caller.js';
import { SocketSessions } from './socket-sessions.js';
import { SocketGateway } from './socket.gateway.js';

@Module({
  imports: [AccessModule, GenerationsModule],
  providers: [SocketCallers, SocketGateway, SocketSessions],
  exports: [SocketGateway],
})
export class SocketModule {}
