import type { CastError, ErrorCode } from '../../protocol/errors.js';
import { Circuit } from '../circuit.js';
import type { ModelRequest } from '../model-request.js';

/** Errors that say nothing good of the server's health: of the whole of it, or of one model's. */
const UNHEALTHY: Partial<Record<ErrorCode, 'server' | 'model'>> = {
  upstream_unreachable: 'server',
  upstream_error: 'model',
  upstream_out_of_memory: 'model',
  upstream_timeout: 'model',
  upstream_truncated: 'model',
  upstream_protocol_error: 'model',
  bad_content_type: 'model',
  upstream_not_found: 'model',
};
/** Most models with failures that are remembered; callers choose their names. */
const MAX_MODELS = 256;

/**
 * How an upstream fares: a circuit for the server, and one for each model that failed, so that one
 * broken model does not close the others. A request counts once, however often it was tried.
 */
export class UpstreamHealth {
  private readonly server: Circuit;
  private readonly models = new Map<string, Circuit>();
  /** Requests whose failure was counted. */
  private readonly counted = new WeakSet<ModelRequest>();
  /** When an answer of any model ended well, on the clock of `performance`. */
  private provenAt = Number.NEGATIVE_INFINITY;
  /** When a model's circuit opened last. */
  private openedAt = Number.NEGATIVE_INFINITY;

  /** @param onPauseOver called when something may be tried again */
  constructor(private readonly onPauseOver: () => void) {
    this.server = new Circuit(onPauseOver);
  }

  /** Whether the server as a whole failed lately: no model has answered since one failed for good. */
  get isAvoided(): boolean {
    if (this.server.isOpen) return true;
    return this.provenAt < this.openedAt && [...this.models.values()].some(({ isOpen }) => isOpen);
  }

  avoids(model: string): boolean {
    return this.server.isOpen || this.models.get(model)?.isOpen === true;
  }

  /** A request goes out. */
  begin(model: string): void {
    this.server.begin();
    this.models.get(model)?.begin();
  }

  /** An answer ended well. */
  succeed(model: string): void {
    this.provenAt = performance.now();
    this.server.succeed();
    this.models.get(model)?.succeed();
    this.models.delete(model);
  }

  /** A request failed. */
  fail(request: ModelRequest, error: CastError): void {
    const what = UNHEALTHY[error.code];
    // A request that no retry can help is the caller's fault.
    const isCaller = error.code === 'upstream_error' && !error.retryable;
    if (what === undefined || isCaller) return;
    if (what === 'server') return this.server.fail(true);
    if (this.counted.has(request)) return;
    this.counted.add(request);
    const circuit = this.circuitOf(request.model);
    circuit.fail(false);
    if (circuit.isOpen) this.openedAt = performance.now();
  }

  /** It answered what costs nothing after it had not: no proof that it generates. */
  cameBack(): void {
    this.server.succeed();
  }

  /** It did not answer even what costs nothing. */
  fellSilent(error: CastError): void {
    this.server.fail(UNHEALTHY[error.code] === 'server');
  }

  private circuitOf(model: string): Circuit {
    let circuit = this.models.get(model);
    if (circuit === undefined) {
      circuit = new Circuit(this.onPauseOver);
      this.models.set(model, circuit);
      const [oldest] = this.models.keys();
      if (this.models.size > MAX_MODELS && oldest !== undefined) this.models.delete(oldest);
    }
    return circuit;
  }
}
