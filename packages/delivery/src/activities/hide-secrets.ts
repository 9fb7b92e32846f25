import { TORN_ESCAPE_CHARS_MAX, type Unescaped, unescapeText } from "./unescape-text.ts";

/*
 * # Hiding secrets in what a receiver answers
 *
 * The receiver chooses the text, and the subscriber the secrets: together they can make a search as slow as
 * it may become. This one (Aho and Corasick) reads the text once for all secrets, and takes time in
 * proportion to it. It searches the text as it was received, never what has replaced a part of it, and once
 * more in the one spelling of `unescape-text.ts`.
 */

/**
 * Texts to search for, as a tree: each path from the root spells the first part of some of them. Nodes are
 * numbers; 0 is the root, and also means none.
 */
export type Secrets = {
  /** The root's children, by byte. */
  readonly roots: Uint32Array;
  /** Of each node: its byte, its first child, and the next child of its parent. */
  readonly bytes: Uint8Array;
  readonly children: Uint32Array;
  readonly siblings: Uint32Array;
  /** Of each node: the longest other path that its own path ends with. */
  readonly fallbacks: Uint32Array;
  /** Of each node: the length of the longest secret that its path ends with; 0: none. */
  readonly lengths: Uint32Array;
  readonly lengthMax: number;
};

/** Prepares texts to be hidden, each as it is and in the one spelling. Their characters are latin1. */
export function secretsToHide(texts: readonly string[]): Secrets {
  const written = texts.map((text) => Buffer.from(text, "latin1"));
  const paths = [...written, ...written.map((text) => unescapeText(text).bytes)];
  const nodes = 1 + paths.reduce((sum, { length }) => sum + length, 0);
  const secrets: Secrets = {
    roots: new Uint32Array(256),
    bytes: new Uint8Array(nodes),
    children: new Uint32Array(nodes),
    siblings: new Uint32Array(nodes),
    fallbacks: new Uint32Array(nodes),
    lengths: new Uint32Array(nodes),
    lengthMax: Math.max(0, ...paths.map(({ length }) => length)),
  };
  let used = 0;
  for (const path of paths) {
    let node = 0;
    for (const byte of path) node = childOf(secrets, node, byte) || addChild(secrets, node, byte, ++used);
    secrets.lengths[node] = path.length;
  }
  addFallbacks(secrets, used);
  return secrets;
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
    node = next(secrets, node, text[i] ?? 0);
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

function childOf({ roots, bytes, children, siblings }: Secrets, node: number, byte: number): number {
  if (node === 0) return roots[byte] ?? 0;
  let child = children[node] ?? 0;
  while (child !== 0 && bytes[child] !== byte) child = siblings[child] ?? 0;
  return child;
}

function addChild(secrets: Secrets, node: number, byte: number, child: number): number {
  secrets.bytes[child] = byte;
  if (node === 0) secrets.roots[byte] = child;
  else {
    secrets.siblings[child] = secrets.children[node] ?? 0;
    secrets.children[node] = child;
  }
  return child;
}

/** Shorter paths come first: a node's fallback is found by its parent's. */
function addFallbacks(secrets: Secrets, used: number): void {
  const { roots, bytes, children, siblings, fallbacks, lengths } = secrets;
  const queue = new Uint32Array(used);
  let queued = 0;
  for (const child of roots) if (child !== 0) queue[queued++] = child;
  for (let i = 0; i < queued; i++) {
    const node = queue[i] ?? 0;
    for (let child = children[node] ?? 0; child !== 0; child = siblings[child] ?? 0) {
      const fallback = next(secrets, fallbacks[node] ?? 0, bytes[child] ?? 0);
      fallbacks[child] = fallback;
      lengths[child] ||= lengths[fallback] ?? 0;
      queue[queued++] = child;
    }
  }
}
