// The program that the Connect suite starts for each server that it needs. It passes the suite's question on
// to the step that runs the suite, and brings back the answer: where a server listens. A program that has the
// API in it would take longer to start than the suite waits.
import { buffer } from "node:stream/consumers";

const [step = ""] = process.argv.slice(2);
// Read as it arrives: a pipe that is still empty fails a read that does not wait.
const answer = await fetch(step, { method: "POST", body: await buffer(process.stdin) });
process.stdout.write(Buffer.from(await answer.arrayBuffer()));
// Until the suite ends it.
setInterval(() => {}, 60_000);
