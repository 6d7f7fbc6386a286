/** llm-cast cannot start with its settings. The message names what is wrong, in whole sentences. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
