import { type Answer, type Conversation, type Turn, titleOf } from './conversation.js';

/** The turns that are shown, from the first question to the last. */
export function shownTurns({ turns, shown }: Conversation): Turn[] {
  const versions = new Map<string, Turn[]>();
  for (const turn of turns) {
    const siblings = versions.get(turn.parent);
    if (siblings === undefined) versions.set(turn.parent, [turn]);
    else siblings.push(turn);
  }
  const path: Turn[] = [];
  for (let parent = ''; ; parent = path.at(-1)!.id) {
    const siblings = versions.get(parent);
    if (siblings === undefined) return path;
    path.push(siblings.find(({ id }) => id === shown[parent]) ?? siblings.at(-1)!);
  }
}

/** The versions of a turn, in the order in which they were asked; itself among them. */
export function versionsOf({ turns }: Conversation, { parent }: Turn): Turn[] {
  return turns.filter((turn) => turn.parent === parent);
}

/** The turns before this one, the first question first. */
export function turnsBefore({ turns }: Conversation, turn: Turn): Turn[] {
  const byId = new Map(turns.map((turn) => [turn.id, turn]));
  const before: Turn[] = [];
  for (let at = byId.get(turn.parent); at !== undefined; at = byId.get(at.parent))
    before.unshift(at);
  return before;
}

/** Adds a turn and shows it. A first question gives the conversation its title. */
export function withTurn(conversation: Conversation, turn: Turn): Conversation {
  const [first] = shownTurns(conversation);
  // A title that somebody has typed stays.
  const isOwnTitle = first !== undefined && conversation.title !== titleFrom(first);
  const title = turn.parent !== '' || isOwnTitle ? conversation.title : titleFrom(turn);
  const turns = [...conversation.turns, turn];
  return { ...showing({ ...conversation, turns }, turn), title, updatedAt: Date.now() };
}

/** A question of images alone has no words for it. */
const titleFrom = ({ question, images = [] }: Turn): string =>
  titleOf(question) || (images.length > 0 ? 'Image' : '');

/** Shows this version of its turn, and what came after it when it was shown last. */
export function showing(conversation: Conversation, { id, parent }: Turn): Conversation {
  return { ...conversation, shown: { ...conversation.shown, [parent]: id } };
}

/** Whether the answer at the end of what is shown is on its way. */
export function isRunning(conversation: Conversation): boolean {
  return shownTurns(conversation).at(-1)?.answer.state === 'running';
}

/** All turns whose answer is on its way, also of versions that are not shown. */
export function runningTurns({ turns }: Conversation): Turn[] {
  return turns.filter(({ answer }) => answer.state === 'running');
}

/** Replaces one answer, wherever it stands; the conversation itself where it does not. */
export function withAnswer(
  conversation: Conversation,
  id: string,
  change: (answer: Answer) => Answer,
): Conversation {
  const turns = conversation.turns.map((turn) =>
    turn.answer.id === id ? { ...turn, answer: change(turn.answer) } : turn,
  );
  return { ...conversation, turns };
}
