import { diag, DiagLogLevel, trace, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Logger } from '@nestjs/common';
import { version } from '../../config/package.js';

/** How long the end of the process waits for the last spans, in milliseconds. */
const FLUSH_MS = 2_000;

/** Makes spans, and sends them to a collector. */
export interface Exporter {
  readonly tracer: Tracer;
  /** Sends what is left. */
  close(): Promise<void>;
}

/**
 * Sends spans by OTLP over HTTP, in JSON. Where the operator has loaded an SDK of his own
 * (`node --import`), that one gets them. `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`,
 * `OTEL_RESOURCE_ATTRIBUTES` and the other variables of the exporter and of the SDK for traces hold.
 * @param endpoint where the collector is; `/v1/traces` is put behind it
 */
export function startExporter(endpoint: string, serviceName: string): Exporter {
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': version,
    }).merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const isOurs = trace.setGlobalTracerProvider(provider);
  // Another SDK tells of its trouble by itself; that there is one is none.
  if (isOurs) tellTrouble();
  return {
    tracer: trace.getTracer('llm-cast', version),
    close: async () => {
      if (isOurs) trace.disable();
      const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

/** Each trouble once: a collector that is away would fill the log. */
function tellTrouble(): void {
  const logger = new Logger('Traces');
  let last: string | undefined;
  const tell = (message: string): void => {
    const short = /Error: [^\n"\\]*/.exec(message)?.[0] ?? message.slice(0, 200);
    if (short === last) return;
    last = short;
    logger.warn('spans are not delivered', { error: short });
  };
  const ignore = (): void => undefined;
  diag.setLogger(
    { error: tell, warn: tell, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
}
