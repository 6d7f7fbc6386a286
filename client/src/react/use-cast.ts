'use client';

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { Cast } from '../cast.js';
import type { CastStream } from '../stream.js';
import { IDLE, isRunning } from '../view.js';

/**
 * One answer after another, as state. A new request cancels the one before; when the component goes
 * away, its answer is left, and the model goes on for whoever comes back.
 */
export function useCast(cast: Cast) {
  const [stream, setStream] = useState<CastStream>();
  const current = useRef<CastStream>(undefined);
  useEffect(() => () => current.current?.leave(), []);

  const subscribe = useCallback(
    (changed: () => void) => stream?.subscribe(changed) ?? (() => undefined),
    [stream],
  );
  const look = () => stream?.view ?? IDLE;
  const view = useSyncExternalStore(subscribe, look, () => IDLE);

  /** Shows this stream from now on: one of `cast.join`, for instance. */
  const follow = useCallback((next: CastStream): CastStream => {
    void current.current?.cancel();
    current.current = next;
    setStream(next);
    return next;
  }, []);
  const chat = useCallback(
    (...asked: Parameters<Cast['chat']>) => follow(cast.chat(...asked)),
    [cast, follow],
  );
  const generate = useCallback(
    (...asked: Parameters<Cast['generate']>) => follow(cast.generate(...asked)),
    [cast, follow],
  );
  const cancel = useCallback(() => void current.current?.cancel(), []);

  return { ...view, isRunning: isRunning(view), follow, chat, generate, cancel };
}
