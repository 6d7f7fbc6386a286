/** What the model `demo` recites: a short guide to llm-cast, in Markdown. */
export const GUIDE = `# llm-cast in one minute

**llm-cast** is a server that puts a language model behind your web or mobile app. Your app asks over REST or Socket.IO, and llm-cast streams every token to the right client while the model is still writing.

## What you get

- **Nothing is lost.** Each answer is kept as a numbered log. When a phone locks or a train enters a tunnel, the client comes back, names the last number it has seen, and reads on from there.
- **Nobody waits in the dark.** While the model is busy, you see your place in the waiting line.
- **Stop really stops.** It ends the work of the model, not just the text on your screen.
- **A cut answer is never passed off as a whole one.** If the model breaks off, you are told.

## Who is speaking?

Not a language model. This is the \`demo\` model: it recites this page whatever you ask, so that you can try everything without a GPU. Its sister \`echo\` gives your own words back — à la lettre.

## Use a real model

Start [Ollama](https://ollama.com), pull a model, and tell llm-cast where it is:

\`\`\`sh
OLLAMA_BASE_URL=http://127.0.0.1:11434 OLLAMA_MODEL=llama3.2 npm start
\`\`\`

Then ask again: this time, something will think about your question.
`;
