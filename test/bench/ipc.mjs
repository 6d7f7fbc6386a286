/**
 * Answers the questions of the benchmark's main process.
 * @param {Record<string, (options: object) => unknown>} answers by the name of the question
 */
export function serve(answers) {
  process.on('message', async ({ id, question, options }) => {
    try {
      process.send({ id, answer: await answers[question](options) });
    } catch (error) {
      process.send({ id, error: error?.stack ?? String(error) });
    }
  });
  // Without the main process there is nothing left to do.
  process.on('disconnect', () => process.exit());
}
