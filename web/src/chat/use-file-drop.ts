import { onScopeDispose, ref } from 'vue';

/**
 * Takes files that are dropped anywhere on the page. Without it, the browser would leave the page and
 * show the file.
 */
export function useFileDrop(take: (files: FileList) => void) {
  /** Whether a file is above the page. */
  const isOver = ref(false);

  function onDrag(event: DragEvent): void {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    isOver.value = true;
  }

  function onLeave({ relatedTarget }: DragEvent): void {
    // It is null when the pointer leaves the window.
    if (relatedTarget === null) isOver.value = false;
  }

  function onDrop(event: DragEvent): void {
    isOver.value = false;
    const { files } = event.dataTransfer ?? {};
    if (files === undefined || files.length === 0) return;
    event.preventDefault();
    take(files);
  }

  const over = new AbortController();
  const { signal } = over;
  addEventListener('dragenter', onDrag, { signal });
  addEventListener('dragover', onDrag, { signal });
  addEventListener('dragleave', onLeave, { signal });
  addEventListener('drop', onDrop, { signal });
  onScopeDispose(() => over.abort());
  return isOver;
}
