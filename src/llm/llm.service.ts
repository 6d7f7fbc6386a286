import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { CastService } from '../cast/cast.service.js';
import { CastError } from '../errors.js';
import type { Generation } from '../generations/generation.js';
import { GenerationsService } from '../generations/generations.service.js';
import type {
  ChatBody,
  GenerateBody,
  GenerationView,
  ModelList,
  Started,
  Version,
} from '../protocol.js';
import { SocketGateway } from '../socket/socket.gateway.js';

/** What REST can ask for: it starts generations on behalf of a connected Socket.IO client. */
@Injectable()
export class LlmService {
  constructor(
    private readonly cast: CastService,
    private readonly generations: GenerationsService,
    private readonly gateway: SocketGateway,
  ) {}

  /** @throws CastError `client_not_found`, before anything is asked of an upstream */
  generate({ clientId, ...request }: GenerateBody): Started {
    this.checkClient(clientId);
    return this.attach(clientId, this.generations.generate(request));
  }

  /** @throws CastError `client_not_found`, before anything is asked of an upstream */
  chat({ clientId, ...request }: ChatBody): Started {
    this.checkClient(clientId);
    return this.attach(clientId, this.generations.chat(request));
  }

  version(): Observable<Version> {
    return this.cast.version();
  }

  models(): Observable<ModelList> {
    return this.cast.models();
  }

  view(id: string): GenerationView {
    return this.generations.get(id).view();
  }

  /** Answers when the upstream request is over. */
  async cancel(id: string): Promise<GenerationView> {
    const generation = await this.generations.cancel(id);
    return generation.view();
  }

  private checkClient(clientId: string): void {
    if (!this.gateway.has(clientId)) throw new CastError('client_not_found');
  }

  private attach(clientId: string, generation: Generation): Started {
    this.gateway.attach(clientId, generation);
    return {
      status: 'Streaming started',
      generationId: generation.id,
      clientId,
      model: generation.model,
      state: generation.state,
    };
  }
}
