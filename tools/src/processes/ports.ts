import { connect, createServer } from "node:net";

/** Whether a server could listen on this port of the loopback address. */
export async function isFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined;
}

/** A port of the loopback address that was free a moment ago: `wish`, if that is. */
export async function freePort(wish = 0): Promise<number> {
  const port = (await tryListen(wish)) ?? (await tryListen(0));
  if (port === undefined) throw new Error("this machine has no free port on 127.0.0.1");
  return port;
}

/** Whether something accepts connections there. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

async function tryListen(port: number): Promise<number | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}
