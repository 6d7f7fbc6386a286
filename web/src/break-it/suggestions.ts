/** In which words the demo's model suggests what to ask next, at the end of an answer. */
const ABOUT = /Ask me about (.+?), or say “more”/;
const FOR_EXAMPLE = /Ask me, for example:\n\n((?:- .+\n?)+)$/;
const MORE = 'more';

/** What an answer of the demo's model suggests to ask next: each as it can be asked. */
export function suggestionsIn(answer: string): string[] {
  const [, list] = FOR_EXAMPLE.exec(answer) ?? [];
  if (list !== undefined)
    return list
      .trim()
      .split('\n')
      .map((line) => line.slice('- '.length));
  const [, titles = ''] = ABOUT.exec(answer) ?? [];
  const asked = [...titles.matchAll(/\*\*(.+?)\*\*/g)].map(([, title]) => title!);
  return answer.includes(`“${MORE}”`) ? [...asked, MORE] : asked;
}
