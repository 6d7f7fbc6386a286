import { Module } from '@nestjs/common';
import { GenerationsModule } from '../generations/generations.module.js';
import { SocketGateway } from './socket.gateway.js';

@Module({
  imports: [GenerationsModule],
  providers: [SocketGateway],
  exports: [SocketGateway],
})
export class SocketModule {}
