import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A door before a server on this machine. Closed, it stands for the server being stopped. */
export interface Gate {
  /** Where clients reach the server through the gate. */
  readonly url: string;
  /** Cuts every connection and refuses new ones. */
  close(): Promise<void>;
  open(): Promise<void>;
}

/** Puts an open gate before the server of a URL. Once it is closed nothing of it is left. */
export async function startGate(target: string): Promise<Gate> {
  const { hostname, port, protocol } = new URL(target);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    keep(client, upstream);
    keep(upstream, client);
    client.pipe(upstream).pipe(client);
  });
  const listen = (at: number): Promise<void> => new Promise((resolve) => server.listen(at, '127.0.0.1', resolve));
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  return {
    url: `${protocol}//127.0.0.1:${own}`,
    open: () => (server.listening ? Promise.resolve() : listen(own)),
    async close() {
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
