import { createRoot } from 'react-dom/client';
import { Chat } from './Chat';

// Without StrictMode: it runs each effect twice, and useChat would resume an answer twice.
createRoot(document.querySelector('#app')!).render(<Chat />);
