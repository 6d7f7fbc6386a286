/** What a script can tell from the exit code; `EXIT_HELP` says the same to people. */
export const EXIT = {
  completed: 0,
  failed: 1,
  usage: 2,
  /** `EX_TEMPFAIL` of sysexits.h. */
  tryLater: 75,
  /** As a shell reports SIGINT. */
  cancelled: 130,
  /** As a shell reports SIGPIPE. */
  closedPipe: 141,
} as const;

export const EXIT_HELP = `Exit codes:
  0    completed
  1    failed
  2    wrong usage
  75   failed, but the same may succeed later: no server there, or it is busy
  130  cancelled (Ctrl-C; a second one quits at once)
  141  nobody reads the output any more; the answer was cancelled
`;

/** A command ends without what was asked for. The message is one sentence for the user, or empty. */
export class CommandError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

export class UsageError extends CommandError {
  constructor(message: string, command = '') {
    super(`${message} See llm-cast ${command && `${command} `}--help.`, EXIT.usage);
  }
}
