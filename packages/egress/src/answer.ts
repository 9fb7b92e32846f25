import type { Dispatcher } from "undici";
import { headerPairs } from "./header-pairs.ts";

/** How much of an answer's body is kept: enough for any error page's first screen. */
export const RESPONSE_BODY_BYTES_MAX = 16_384;

export type Answer = {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Uint8Array;
  readonly truncated: boolean;
};

/**
 * Takes in one answer as the parser gives it. Of a longer body the first part is the answer: the rest is not waited for,
 * and its connection is given up with it, for reading on to the next answer could take for ever.
 */
export class AnswerReader implements Dispatcher.DispatchHandler {
  /** Whether anything of an answer has come. */
  hasBegun = false;
  readonly #onAnswer: (answer: Answer) => void;
  readonly #onFailed: (error: Error) => void;
  #status = 0;
  #headers: readonly (Buffer | string)[] = [];
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(onAnswer: (answer: Answer) => void, onFailed: (error: Error) => void) {
    this.#onAnswer = onAnswer;
    this.#onFailed = onFailed;
  }

  onRequestStart(): void {
    // undici refuses a handler without it.
  }

  onResponseStarted(): void {
    this.hasBegun = true;
  }

  onResponseStart({ rawHeaders }: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
    this.#headers = Array.isArray(rawHeaders) ? rawHeaders : [];
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size <= RESPONSE_BODY_BYTES_MAX) return;
    this.#finish();
    controller.abort(new Error("enough"));
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#onFailed(error);
  }

  #finish(): void {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    this.#onAnswer({
      status: this.#status,
      headers: headerPairs(this.#headers),
      body: (all ?? Buffer.alloc(0)).subarray(0, RESPONSE_BODY_BYTES_MAX),
      truncated: this.#size > RESPONSE_BODY_BYTES_MAX,
    });
  }
}
