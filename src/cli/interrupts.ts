import { CommandError, EXIT } from './exit.js';

export interface Interrupts {
  /** Aborts with the `CommandError` to end with. */
  signal: AbortSignal;
  /** Takes no more notice. */
  stop: () => void;
}

/**
 * Tells when the user wants an end (Ctrl-C, a closed terminal, `kill`), or when nobody reads the
 * output any more. The second signal ends the process at once.
 */
export function interrupts(): Interrupts {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.cancelled);
    controller.abort(new CommandError('cancelled', EXIT.cancelled));
  };
  const onClosedPipe = (): void => controller.abort(new CommandError('', EXIT.closedPipe));
  // What cannot be said to anybody is no reason to fail.
  const ignore = (): void => undefined;
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, onSignal);
  process.stdout.on('error', onClosedPipe);
  process.stderr.on('error', ignore);
  const stop = (): void => {
    for (const name of names) process.off(name, onSignal);
    process.stdout.off('error', onClosedPipe);
    process.stderr.off('error', ignore);
  };
  return { signal: controller.signal, stop };
}
