/** Tells the other tabs of this browser which conversation has changed. */
export interface Tabs {
  tell(id: string): void;
  onTold(heard: (id: string) => void): void;
}

/** A name of the channel, and the key in the storage. */
const NAME = 'llm-cast';

/** By BroadcastChannel, or where that is missing or forbidden, by the event that storage has. */
export function openTabs(): Tabs {
  try {
    return byChannel(new BroadcastChannel(NAME));
  } catch {
    return byStorage();
  }
}

function byChannel(channel: BroadcastChannel): Tabs {
  return {
    tell: (id) => channel.postMessage(id),
    onTold: (heard) =>
      channel.addEventListener('message', ({ data }: MessageEvent<string>) => heard(data)),
  };
}

function byStorage(): Tabs {
  return {
    tell(id) {
      try {
        // An event comes only with another value.
        localStorage.setItem(NAME, `${id} ${Math.random()}`);
      } catch {
        // Where the browser keeps nothing, no tab has what another one could miss.
      }
    },
    onTold: (heard) =>
      addEventListener('storage', ({ key, newValue }) => {
        const [id] = newValue?.split(' ') ?? [];
        if (key === NAME && id !== undefined) heard(id);
      }),
  };
}
