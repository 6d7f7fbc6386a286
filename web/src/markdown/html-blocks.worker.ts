import { htmlBlocks } from './html-blocks';

addEventListener('message', ({ data }: MessageEvent<string>) => postMessage(htmlBlocks(data)));
