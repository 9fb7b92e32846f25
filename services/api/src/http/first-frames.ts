/** What a client sends before its first frame (RFC 9113, section 3.4). */
const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const TYPE_AT = 3;
const [DATA, WINDOW_UPDATE] = [0, 8];

/** Returns how many frames what a client sends first holds, without DATA and WINDOW_UPDATE. */
export function framesIn(bytes: Buffer): number {
  let frames = 0;
  for (let at = PREFACE_BYTES; at + HEAD_BYTES <= bytes.length; at += HEAD_BYTES + bytes.readUIntBE(at, 3)) {
    const type = bytes[at + TYPE_AT];
    if (type !== DATA && type !== WINDOW_UPDATE) frames += 1;
  }
  return frames;
}
