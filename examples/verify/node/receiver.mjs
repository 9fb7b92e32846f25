// Receives webhooks and verifies them. Node 20 or newer, without further packages:
//   WEBHOOK_SECRET=whsec_… PORT=9000 node receiver.mjs
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

/** The largest snapshot, between [ and ]. */
const BODY_BYTES_MAX = 1024 * 1024 + 2;
const TOLERANCE_SECONDS = 5 * 60;

const { WEBHOOK_SECRET: secret, PORT: port = "9000" } = process.env;
if (!secret) throw new Error("set WEBHOOK_SECRET to the subscription's signing secret");
const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");

createServer(async (request, response) => {
  try {
    const body = await readBody(request);
    verify(request.headers, body);
    const [item] = JSON.parse(body.toString());
    // The id is the same in every repetition: remember it, and skip what you have seen.
    console.log(request.headers["webhook-id"], request.headers["webhook-event"], JSON.stringify(item));
    response.writeHead(200).end();
  } catch (error) {
    // The sender tries again after 400. If the secret or the clock here was wrong, nothing is lost.
    response.writeHead(400).end(`${error.message}\n`);
  }
}).listen(Number(port));

/** Throws unless the sender knows the secret and signed this body within the tolerance. */
function verify(headers, body) {
  const { "webhook-id": id = "", "webhook-timestamp": timestamp = "" } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_SECONDS)) {
    throw new Error("the timestamp is too old or in the future");
  }
  const signed = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${signed}`);
  // There are several signatures while the secret is being rotated.
  const signatures = (headers["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  if (!signatures.some((one) => one.length === expected.length && timingSafeEqual(one, expected))) {
    throw new Error("no signature matches");
  }
}

/** Returns the bytes as they were sent: a body that was parsed and written again has another signature. */
async function readBody(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (length > BODY_BYTES_MAX) throw new Error("the body is too large");
  return Buffer.concat(chunks);
}
