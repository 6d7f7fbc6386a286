import { CommandError, EXIT } from './exit.js';

/**
 * Aborts, with the `CommandError` to end with, when the user wants an end (Ctrl-C, a closed terminal,
 * `kill`) or when nobody reads the output any more. The second signal ends the process at once.
 */
export function interrupts(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.cancelled);
    controller.abort(new CommandError('cancelled', EXIT.cancelled));
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  process.stdout.on('error', () => controller.abort(new CommandError('', EXIT.closedPipe)));
  // What cannot be said to anybody is no reason to fail.
  process.stderr.on('error', () => undefined);
  return controller.signal;
}
