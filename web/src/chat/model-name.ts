/** The one name that both spellings of a model have: `:latest` may be left out. */
export function untagged(name: string): string {
  return name.replace(/:latest$/, '');
}
