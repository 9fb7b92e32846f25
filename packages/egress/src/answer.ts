import type { Dispatcher } from "undici";
import { headerPairs } from "./header-pairs.ts";

/** How much of a response body is kept: enough for the first screen of an error page. */
export const RESPONSE_BODY_BYTES_MAX = 16_384;
/**
 * Pieces of a body that are kept, at most: chunks, or what one read from the socket brought. Each costs about
 * a microsecond, and a body of 16 KiB could come in as many chunks. Written line by line, a page of that size
 * has some hundreds.
 */
export const RESPONSE_BODY_PIECES_MAX = 1_024;
/**
 * Interim responses (1xx) before a response. Receivers send one or two hints (103), or say every few seconds
 * that they work on it (102); each costs as much to read as a response.
 */
export const INTERIM_RESPONSES_MAX = 8;

export type Answer = {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Uint8Array;
  readonly truncated: boolean;
};

/**
 * Collects one response from the parser. If the body is longer than the limits, it resolves with the first
 * part and closes the connection, because reading the rest could take forever.
 */
export class AnswerReader implements Dispatcher.DispatchHandler {
  /** Whether any part of the response has arrived. */
  hasBegun = false;
  readonly #onAnswer: (answer: Answer) => void;
  readonly #onFailed: (error: Error) => void;
  #status = 0;
  #headers: readonly (Buffer | string)[] = [];
  #pieces: Buffer[] = [];
  #interim = 0;
  #size = 0;

  constructor(onAnswer: (answer: Answer) => void, onFailed: (error: Error) => void) {
    this.#onAnswer = onAnswer;
    this.#onFailed = onFailed;
  }

  onRequestStart(): void {
    // undici requires this method.
  }

  onResponseStarted(): void {
    this.hasBegun = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const { rawHeaders } = controller;
    this.#status = status;
    this.#headers = Array.isArray(rawHeaders) ? rawHeaders : [];
    if (status >= 200) return;
    this.#interim += 1;
    if (this.#interim <= INTERIM_RESPONSES_MAX) return;
    const code = "TOO_MANY_INTERIM_RESPONSES";
    controller.abort(Object.assign(new Error("the response does not come"), { code }));
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (!this.#isTooLong()) return;
    this.#finish();
    controller.abort(new Error("the body is longer than the limits"));
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#onFailed(error);
  }

  #isTooLong(): boolean {
    return this.#size > RESPONSE_BODY_BYTES_MAX || this.#pieces.length > RESPONSE_BODY_PIECES_MAX;
  }

  #finish(): void {
    const all = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#onAnswer({
      status: this.#status,
      headers: headerPairs(this.#headers),
      body: (all ?? Buffer.alloc(0)).subarray(0, RESPONSE_BODY_BYTES_MAX),
      truncated: this.#isTooLong(),
    });
  }
}
