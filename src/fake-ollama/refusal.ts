/** A request that is answered with an HTTP error and `{"error": message}`, in Ollama's own words. */
export class Refusal extends Error {
  /** @param status HTTP status, 400..599 */
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}
