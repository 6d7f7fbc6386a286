import { createRoot } from 'react-dom/client';
import { Chat } from './Chat';

// Without StrictMode: in development it would make useChat resume twice.
createRoot(document.querySelector('#app')!).render(<Chat />);
