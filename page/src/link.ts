/** The socket to the server: comes back by itself, with the conversation's secret. */

import { FULL, OVER, REPLACED, WRONG, type FromServer, type ToServer } from "./messages";
import type { LinkState } from "./transport";

/** Milliseconds without a word from the server after which the network counts as gone. */
export const SILENCE = 4500;
const PAUSES = [300, 600, 1000, 2000, 3000];

export interface LinkOptions {
  address: string;
  session: string | null;
  onMessage: (message: FromServer) => void;
  onState: (state: LinkState) => void;
  /** The server closed for good: one of its codes. */
  onEnd: (code: number, why: string) => void;
  make?: (address: string) => WebSocket;
  now?: () => number;
}

export class Link {
  state: LinkState = "closed";
  session: string | null;
  private socket: WebSocket | null = null;
  private attempts = 0;
  private heard = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setInterval> | undefined;
  private waiting: ToServer[] = [];

  constructor(private readonly options: LinkOptions) {
    this.session = options.session;
  }

  /** Connect, if not connected. */
  open(): void {
    if (this.state !== "closed") return;
    this.attempts = 0;
    this.watch = setInterval(() => this.look(), 500);
    this.connect();
  }

  /** Say something; it waits while the connection is being made. */
  send(message: ToServer): void {
    if (this.state === "open" && this.socket) this.socket.send(JSON.stringify(message));
    else if (this.state === "closed") return;
    else if (message.type === "type" || message.type === "stop" || message.type === "mute") this.waiting.push(message);
  }

  close(): void {
    clearTimeout(this.timer);
    clearInterval(this.watch);
    const socket = this.socket;
    this.socket = null;
    this.waiting = [];
    this.become("closed");
    socket?.close(1000);
  }

  private now(): number {
    return this.options.now ? this.options.now() : performance.now();
  }

  private become(state: LinkState): void {
    if (state === this.state) return;
    this.state = state;
    this.options.onState(state);
  }

  private connect(): void {
    this.become(this.attempts ? "lost" : "connecting");
    const make = this.options.make ?? ((address: string) => new WebSocket(address));
    const socket = make(this.options.address);
    this.socket = socket;
    this.heard = this.now();
    socket.onopen = () => {
      if (socket === this.socket) socket.send(JSON.stringify({ type: "hello", session: this.session }));
    };
    socket.onmessage = (event: MessageEvent) => {
      if (socket === this.socket) this.take(JSON.parse(String(event.data)) as FromServer);
    };
    socket.onclose = (event: CloseEvent) => {
      if (socket === this.socket) this.closed(event.code, event.reason);
    };
  }

  private take(message: FromServer): void {
    this.heard = this.now();
    if (message.type === "session") {
      this.session = message.id;
      this.attempts = 0;
      this.become("open");
    }
    this.options.onMessage(message);
    if (message.type === "session") {
      for (const each of this.waiting.splice(0)) this.send(each);
    }
  }

  private closed(code: number, why: string): void {
    if ([REPLACED, OVER, FULL, WRONG].includes(code)) {
      this.close();
      if (code === OVER) this.session = null;
      this.options.onEnd(code, why);
      return;
    }
    this.again();
  }

  private again(): void {
    this.socket = null;
    const pause = PAUSES[Math.min(this.attempts, PAUSES.length - 1)];
    this.attempts += 1;
    this.become("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), pause);
  }

  /** A network that is gone does not close its sockets: nothing comes any more, that is all. */
  private look(): void {
    if (!this.socket || this.now() - this.heard < SILENCE) return;
    const socket = this.socket;
    this.again();
    socket.close();
  }
}
