/** The context of the model, and what of it the prompt takes. */
const CONTEXT =
  /context (?:length|window|size)\D{0,30}?(\d{2,9})|`max_new_tokens` must be <= (\d{2,9})/i;
const PROMPT =
  /(\d{1,9}) (?:`inputs` tokens|input tokens|(?:tokens )?(?:in|from) the (?:input|messages|prompt)|of text input|prompt tokens)|(?:prompt|input|messages) (?:contains|has|have|resulted in)(?: at least)? (\d{1,9})/i;
/** Ways to name the most tokens that a model may be asked for. */
const MOST =
  /(?:at most|up to|less than or equal to|(?:maximum|max)(?: allowed)?(?: value)?(?: number of (?:output |completion )?tokens)?(?: is| of|:)|<=|≤|between \d+ and|\[ ?\d+ ?,) ?[`'"]?(\d{1,9})|> ?(\d{1,9}),? which is the maximum/i;
const OF_TOKENS = /max_(completion_|new_|output_)?tokens|completion tokens|output tokens/i;

/**
 * The limit of tokens that a server would take, where its refusal says that ours is too large.
 * @param sent our limit
 * @returns undefined where it says no such thing; `isOfPrompt`: a shorter prompt leaves more room
 */
export function smallerLimit(
  said: string,
  sent: number,
): { most: number; isOfPrompt: boolean } | undefined {
  const context = numberIn(CONTEXT, said);
  const prompt = numberIn(PROMPT, said);
  const left = context === undefined || prompt === undefined ? undefined : context - prompt;
  if (left !== undefined)
    return left > 0 && left < sent ? { most: left, isOfPrompt: true } : undefined;
  const most = OF_TOKENS.test(said) ? numberIn(MOST, said) : undefined;
  return most !== undefined && most > 0 && most < sent ? { most, isOfPrompt: false } : undefined;
}

function numberIn(pattern: RegExp, said: string): number | undefined {
  const found = pattern
    .exec(said)
    ?.slice(1)
    .find((group) => group !== undefined);
  return found === undefined ? undefined : Number(found);
}
