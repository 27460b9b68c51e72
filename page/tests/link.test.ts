import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Link, SILENCE } from "../src/link";
import type { LinkState } from "../src/transport";
import { OVER, type FromServer } from "../src/messages";

class Socket {
  static all: Socket[] = [];
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  closed = false;
  constructor() {
    Socket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  hears(message: FromServer): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const session: FromServer = { type: "session", id: "secret", resumed: false, recorded: false };

describe("the link", () => {
  let states: LinkState[];
  let ends: number[];
  let now: number;
  let link: Link;
  beforeEach(() => {
    vi.useFakeTimers();
    Socket.all = [];
    states = [];
    ends = [];
    now = 0;
    link = new Link({
      address: "ws://x/talk", session: null,
      onMessage: () => undefined, onState: (state) => states.push(state), onEnd: (code) => ends.push(code),
      make: () => new Socket() as unknown as WebSocket, now: () => now,
    });
  });
  afterEach(() => {
    link.close();
    vi.useRealTimers();
  });
  const last = (): Socket => Socket.all[Socket.all.length - 1] as Socket;
  const welcome = (): void => {
    last().onopen?.();
    last().hears(session);
  };

  it("says hello first, and what was written meanwhile after it", () => {
    link.open();
    link.send({ type: "type", text: "hi" });
    expect(last().sent).toEqual([]);
    welcome();
    expect(last().sent).toEqual([{ type: "hello", session: null }, { type: "type", text: "hi" }]);
  });
  it("comes back with the conversation's secret", () => {
    link.open();
    welcome();
    last().onclose?.({ code: 1006, reason: "" });
    expect(link.state).toBe("lost");
    vi.advanceTimersByTime(400);
    expect(Socket.all.length).toBe(2);
    welcome();
    expect(last().sent[0]).toEqual({ type: "hello", session: "secret" });
    expect(link.state).toBe("open");
  });
  it("keeps nothing for a conversation that is not wanted yet", () => {
    link.send({ type: "stop" });
    link.open();
    welcome();
    expect(last().sent.length).toBe(1);
  });
  it("does not send old measurements after a loss", () => {
    link.open();
    welcome();
    last().onclose?.({ code: 1006, reason: "" });
    link.send({ type: "playout", seconds: 0.1 });
    vi.advanceTimersByTime(400);
    welcome();
    expect(last().sent.length).toBe(1);
  });
  it("notices a network that is gone without a word", () => {
    link.open();
    welcome();
    now = SILENCE - 1;
    vi.advanceTimersByTime(500);
    expect(link.state).toBe("open");
    now = SILENCE;
    vi.advanceTimersByTime(500);
    expect(link.state).toBe("lost");
    expect(Socket.all[0]?.closed).toBe(true);
  });
  it("keeps trying, ever more slowly, and is not confused by a late close", () => {
    link.open();
    for (let k = 0; k < 8; k++) {
      last().onclose?.({ code: 1006, reason: "" });
      vi.advanceTimersByTime(3100);
    }
    expect(Socket.all.length).toBe(9);
    Socket.all[0]?.onclose?.({ code: OVER, reason: "" });
    expect(ends).toEqual([]);
  });
  it("stays away when the server says so", () => {
    link.open();
    welcome();
    last().onclose?.({ code: OVER, reason: "ended" });
    vi.advanceTimersByTime(60_000);
    expect(Socket.all.length).toBe(1);
    expect(ends).toEqual([OVER]);
    expect(link.session).toBeNull();
    expect(link.state).toBe("closed");
  });
});
