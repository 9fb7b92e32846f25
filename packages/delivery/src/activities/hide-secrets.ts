import { TORN_ESCAPE_CHARS_MAX, type Unescaped, unescapeText } from "./unescape-text.ts";

/*
 * # Hiding secrets in what a receiver answers
 *
 * The receiver chooses the text, and the subscriber the secrets: together they can make a search as slow as
 * it may become. This one (Aho and Corasick) reads the text once for all secrets, and takes time in
 * proportion to it, whatever the secrets are. It searches the text as it was received, never what has
 * replaced a part of it, and once more in the one spelling of `unescape-text.ts`. Upper and lower case are
 * the same to it: the names of headers arrive in lower case, and a receiver may change that of other texts.
 */

/**
 * Texts to search for, as a tree: each path from the root spells the first part of some of them. Nodes are
 * numbers, in the order of their depth; 0 is the root, and also means none.
 */
export type Secrets = {
  /** The root's children, by byte. */
  readonly roots: Uint32Array;
  /** Of each node: its byte. Siblings are neighbours, in the order of their bytes. */
  readonly bytes: Uint8Array;
  /** Of each node: its first child. Its last one stands before the first child of the next node. */
  readonly children: Uint32Array;
  /** Of each node: the longest other path that its own path ends with. */
  readonly fallbacks: Uint32Array;
  /** Of each node: the length of the longest secret that its path ends with; 0: none. */
  readonly lengths: Uint32Array;
  readonly lengthMax: number;
};

/** Every byte, with the upper case of ASCII in lower case. */
const LOWER = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte,
);

/** Prepares texts to be hidden, each as it is and in the one spelling. Their characters are latin1. */
export function secretsToHide(texts: readonly string[]): Secrets {
  const written = texts.map((text) => Buffer.from(text, "latin1"));
  // Most texts are in the one spelling already.
  const others = written
    .map((text) => unescapeText(text).bytes)
    .filter((bytes, i) => written[i]?.compare(bytes) !== 0);
  const paths = [...written, ...others].map(inLowerCase).sort(Buffer.compare);
  const nodesMax = 1 + paths.reduce((sum, { length }) => sum + length, 0);
  const secrets: Secrets = {
    roots: new Uint32Array(256),
    bytes: new Uint8Array(nodesMax),
    children: new Uint32Array(nodesMax + 1),
    fallbacks: new Uint32Array(nodesMax),
    lengths: new Uint32Array(nodesMax),
    lengthMax: Math.max(0, ...paths.map(({ length }) => length)),
  };
  addNodes(secrets, paths);
  return secrets;
}

function inLowerCase(text: Uint8Array): Uint8Array {
  return text.map((byte) => LOWER[byte] ?? byte);
}

/**
 * Returns a latin1 text in which `shown` replaces all that belongs to a secret. If secrets overlap or touch
 * each other, it replaces all of them at once.
 *
 * @param isCutOff The text goes on, and the cut may have torn a secret: as much as its first part may have is
 *   left out at the end
 */
export function hideSecrets(text: string, secrets: Secrets, shown: string, isCutOff = false): string {
  const bytes = Buffer.from(text, "latin1");
  const plain = unescapeText(bytes);
  /** By place in the text: where the longest secret that begins there ends. */
  const hidden = new Uint32Array(bytes.length);
  const hide = (start = 0, end = 0) => {
    hidden[start] = Math.max(hidden[start] ?? 0, end);
  };
  search(bytes, secrets, hide);
  search(plain.bytes, secrets, (start, end) => hide(plain.starts[start], plain.ends[end - 1]));
  const end = isCutOff ? endBeforeTorn(plain, secrets.lengthMax) : text.length;
  const pieces: string[] = [];
  let hiddenTo = 0;
  for (let i = 0; i < end; i++) {
    const to = hidden[i] ?? 0;
    if (to === 0) continue;
    if (pieces.length === 0 || i > hiddenTo) pieces.push(text.slice(hiddenTo, i), shown);
    hiddenTo = Math.max(hiddenTo, to);
  }
  pieces.push(text.slice(hiddenTo, Math.max(hiddenTo, end)));
  return pieces.join("");
}

/** Counts what is left out in the one spelling: a torn secret has fewer characters there than it lacks. */
function endBeforeTorn({ bytes, starts }: Unescaped, lengthMax: number): number {
  return starts[bytes.length - (lengthMax - 1 + TORN_ESCAPE_CHARS_MAX)] ?? 0;
}

/** Calls back for the longest secret that ends at a place, for each place at which one does. */
function search(text: Uint8Array, secrets: Secrets, onFound: (start: number, end: number) => void): void {
  let node = 0;
  for (let i = 0; i < text.length; i++) {
    node = next(secrets, node, LOWER[text[i] ?? 0] ?? 0);
    const length = secrets.lengths[node] ?? 0;
    if (length > 0) onFound(i + 1 - length, i + 1);
  }
}

/** Returns the node of the longest path that the text ends with, after one more byte. */
function next(secrets: Secrets, from: number, byte: number): number {
  let node = from;
  for (;;) {
    const child = childOf(secrets, node, byte);
    if (child !== 0 || node === 0) return child;
    node = secrets.fallbacks[node] ?? 0;
  }
}

/** The subscriber chooses how many children a node has: a search that halves them looks at eight at most. */
function childOf({ roots, bytes, children }: Secrets, node: number, byte: number): number {
  if (node === 0) return roots[byte] ?? 0;
  let child = children[node] ?? 0;
  const end = children[node + 1] ?? 0;
  for (let to = end; child < to; ) {
    const middle = (child + to) >>> 1;
    if ((bytes[middle] ?? 0) < byte) child = middle + 1;
    else to = middle;
  }
  return child < end && bytes[child] === byte ? child : 0;
}

/**
 * Adds the nodes of sorted paths, level by level. Those of a node stand next to each other, and its fallback
 * is found by its parent's, whose children are there already.
 */
function addNodes(secrets: Secrets, paths: readonly Uint8Array[]): void {
  const { roots, bytes, children, fallbacks, lengths } = secrets;
  /** Of each node: its first path and the one behind its last, and its depth. */
  const firsts = new Uint32Array(bytes.length);
  const ends = new Uint32Array(bytes.length);
  const depths = new Uint32Array(bytes.length);
  ends[0] = paths.length;
  let used = 1;
  for (let node = 0; node < used; node++) {
    const depth = depths[node] ?? 0;
    const end = ends[node] ?? 0;
    let first = firsts[node] ?? 0;
    // The paths that end here come before those that go on.
    for (; first < end && paths[first]?.length === depth; first++) lengths[node] = depth;
    lengths[node] ||= lengths[fallbacks[node] ?? 0] ?? 0;
    children[node] = used;
    while (first < end) {
      const child = used++;
      const byte = paths[first]?.[depth] ?? 0;
      bytes[child] = byte;
      depths[child] = depth + 1;
      firsts[child] = first;
      while (first < end && paths[first]?.[depth] === byte) first += 1;
      ends[child] = first;
      if (node === 0) roots[byte] = child;
      else fallbacks[child] = next(secrets, fallbacks[node] ?? 0, byte);
    }
    children[node + 1] = used;
  }
}
