/** Longest edge of an image that is sent, in pixels: models see no more. */
const MAX_EDGE = 2048;
/** An image of at most so many bytes is sent as it is. */
const MAX_BYTES = 1024 * 1024;
/** What every model server reads. */
const COMMON = new Set(['image/png', 'image/jpeg']);
const JPEG_QUALITY = 0.9;

/**
 * An image as models read it, in base64: PNG or JPEG, and not larger than it has to be.
 * @throws Error with a sentence for people when the browser cannot read it
 */
export async function imageOf(file: File): Promise<string> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is no image that this browser can read.`);
  });
  const scale = Math.min(1, MAX_EDGE / Math.max(bitmap.width, bitmap.height));
  const isFit = COMMON.has(file.type) && file.size <= MAX_BYTES && scale === 1;
  return base64Of(isFit ? file : await drawn(bitmap, scale));
}

async function drawn(bitmap: ImageBitmap, scale: number): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext('2d')!;
  // JPEG has no transparency; without this it is black.
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) =>
    canvas.toBlob(resolve, 'image/jpeg', JPEG_QUALITY),
  );
  if (blob === null) throw new Error('The browser could not make the image smaller.');
  return blob;
}

function base64Of(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      const address = reader.result as string;
      resolve(address.slice(address.indexOf(',') + 1));
    });
    reader.addEventListener('error', () => reject(reader.error!));
    reader.readAsDataURL(blob);
  });
}

/** An address for `<img>`. The page's policy allows images of its own and such ones. */
export function addressOf(data: string): string {
  return `data:${data.startsWith('/9j/') ? 'image/jpeg' : 'image/png'};base64,${data}`;
}
