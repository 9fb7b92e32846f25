// Receives Posthaste's deliveries and verifies them with @posthaste/signature. Node 20 or newer:
//   WEBHOOK_SECRET=whsec_… PORT=9000 node receiver.mjs
import { createServer } from "node:http";
import { verify } from "@posthaste/signature";

/** The largest snapshot, between [ and ]. */
const BODY_BYTES_MAX = 1024 * 1024 + 2;

const { WEBHOOK_SECRET: secret, PORT: port = "9000" } = process.env;
if (!secret) throw new Error("set WEBHOOK_SECRET to the subscription's signing secret");

createServer(async (request, response) => {
  try {
    const body = await readBody(request);
    // Checks the signature, and that the timestamp is at most 5 minutes from now.
    const { id } = await verify({ headers: request.headers, body }, [secret]);
    const [item] = JSON.parse(body.toString());
    // The id is the same in every repetition: remember it, and skip what you have seen.
    console.log(id, request.headers["webhook-event"], JSON.stringify(item));
    response.writeHead(200).end();
  } catch (error) {
    // Posthaste tries again after 400. If the secret or the clock here was wrong, nothing is lost.
    response.writeHead(400).end(`${error.message}\n`);
  }
}).listen(Number(port));

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
