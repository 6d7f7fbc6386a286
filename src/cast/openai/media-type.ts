/** Bytes of an image that tell its type, and the base64 characters that hold them. */
const HEAD_CHARS = 32;
/** What a file of the ISO base media format (`ftyp`) holds, by its brand. */
const BRANDS: Readonly<Record<string, string>> = {
  avif: 'image/avif',
  avis: 'image/avif',
  heic: 'image/heic',
  heix: 'image/heic',
  heim: 'image/heic',
  heis: 'image/heic',
  hevc: 'image/heic',
  hevx: 'image/heic',
  mif1: 'image/heif',
  msf1: 'image/heif',
};
const SIGNATURES: readonly (readonly [bytes: string, type: string])[] = [
  ['\x89PNG', 'image/png'],
  ['\xff\xd8\xff', 'image/jpeg'],
  ['GIF8', 'image/gif'],
  ['BM', 'image/bmp'],
  ['II*\0', 'image/tiff'],
  ['MM\0*', 'image/tiff'],
  ['\0\0\x01\0', 'image/x-icon'],
  ['\xff\x0a', 'image/jxl'],
  ['\0\0\0\x0cJXL ', 'image/jxl'],
];

/** The media type of an image in base64, by its first bytes; PNG where they say nothing. */
export function mediaType(base64: string): string {
  const head = Buffer.from(base64.slice(0, HEAD_CHARS), 'base64').toString('latin1');
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'image/webp';
  if (head.slice(4, 8) === 'ftyp') {
    const brand = head.slice(8, 12);
    // A general brand stands first where a compatible one says which it is.
    const compatible = head.slice(16, 20);
    const type = BRANDS[brand] ?? 'image/heif';
    return type === 'image/heif' ? (BRANDS[compatible] ?? type) : type;
  }
  const found = SIGNATURES.find(([bytes]) => head.startsWith(bytes));
  if (found !== undefined) return found[1];
  return /^\s*(<\?xml|<svg)/i.test(head) ? 'image/svg+xml' : 'image/png';
}
