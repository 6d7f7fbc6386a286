import { Chat } from './chat';

// Rendered on the server, with the chat as it is before anything was read: `loading`.
export default function Page() {
  return (
    <main>
      <h1>Ask</h1>
      <Chat />
    </main>
  );
}
