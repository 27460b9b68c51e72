/** The transport to a LiveKit room: one or more people and an agent, through a LiveKit server. */

import type { RemoteParticipant, Room, TextStreamReader } from "livekit-client";
import { playout, type Audio, type Counted } from "./audio";
import { Captions } from "./captions";
import { OVER, REPLACED, type Floor, type FromServer } from "./messages";
import { SILENCE } from "./link";
import { ask, summon, type Pass } from "./pass";
import { Present } from "./present";
import type { Asked, LinkState, Listener, Transport } from "./transport";

const TOPIC = "echoless";
const CHAT = "lk.chat";
const TRANSCRIPTION = "lk.transcription";
const STATE = "lk.agent.state";
const FULL_HOUSE = "echoless.full";
const CANCELS_ECHO = "echoless.cancels_echo";
const PAUSES = [500, 1000, 2000, 3000];
/** Milliseconds after which the page says that no agent has come. */
const NOBODY = 20_000;
/** Milliseconds that an agent has to say that it is one of ours. */
const STRANGER = 4000;

export class LiveKitRoom implements Transport {
  state: LinkState = "closed";
  private room: Room | null = null;
  private captions: Captions;
  private stream: MediaStream | null = null;
  private attempts = 0;
  private wanted = false;
  private silentSince = 0;
  private timers: ReturnType<typeof setTimeout>[] = [];
  private watch: ReturnType<typeof setInterval> | undefined;
  private counted: Counted = { delay: 0, emitted: 0 };
  private readonly greeted = new Set<string>();
  private readonly present = new Present(() => this.room);
  private waiting: Asked[] = [];
  private ready = false;
  /** The conversation that the page shows. */
  private known: string | null = null;
  private published: MediaStreamTrack | null = null;

  constructor(
    private readonly audio: Audio,
    public session: string | null,
    private readonly listener: Listener,
    private readonly wish: () => { room: string; name: string },
  ) {
    this.captions = new Captions((message) => listener.onMessage(message));
  }

  get sounds(): boolean {
    return this.room !== null && (this.audio.track === null || this.published === this.audio.track);
  }

  open(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.attempts = 0;
    void this.join();
  }

  close(): void {
    this.wanted = this.ready = false;
    this.waiting = [];
    this.clear();
    const room = this.room;
    this.room = this.published = null;
    this.become("closed");
    this.audio.play(null);
    void room?.disconnect();
  }

  send(asked: Asked): void {
    if (!this.ready) {
      if (this.wanted && (asked.type === "type" || asked.type === "mute")) this.waiting.push(asked);
      return;
    }
    if (asked.type === "type") void this.room?.localParticipant.sendText(asked.text, { topic: CHAT }).then(
      (info) => this.captions.written(info.id, this.present.me(), asked.text),
      () => this.waiting.push(asked),
    );
    else if (asked.type === "end" && this.present.others().some((each) => !each.isAgent)) return; // it is theirs as well
    else if (asked.type !== "quiet") this.tellAgent(asked);
  }

  async connectSound(): Promise<void> {
    await this.microphoneChanged();
    this.collect();
  }

  async microphoneChanged(): Promise<void> {
    const me = this.room?.localParticipant;
    const track = this.audio.track;
    if (!me || track === this.published) return;
    if (this.published) await me.unpublishTrack(this.published, false);
    this.published = track;
    if (!track) return;
    const { Track } = await import("livekit-client");
    await me.setAttributes({ [CANCELS_ECHO]: String(this.audio.cancelsEcho) }); // before there is anything to hear
    // No DTX: a microphone that pauses in silence hides when the echo is over.
    await me.publishTrack(track, { source: Track.Source.Microphone, dtx: false, stopMicTrackOnMute: false });
  }

  hangUp(): void {
    void this.microphoneChanged().catch(() => undefined);
  }

  // --- joining ----------------------------------------------------------------------------------------------

  private async join(): Promise<void> {
    this.become(this.attempts ? "lost" : "connecting");
    try {
      const [pass, livekit] = await Promise.all([ask({ session: this.session, ...this.wish() }), import("livekit-client")]);
      livekit.setLogLevel("silent");
      const room = new livekit.Room();
      this.listen(room, livekit.RoomEvent, livekit.DisconnectReason);
      await room.connect(pass.url, pass.token, { autoSubscribe: true });
      if (!this.wanted) return void room.disconnect();
      this.room = room;
      this.attempts = 0;
      this.arrived(pass);
    } catch (error) {
      this.failed(error);
    }
  }

  private arrived(pass: Pass): void {
    const fresh = this.known !== pass.session;
    this.session = this.known = pass.session;
    this.greeted.clear();
    this.published = null;
    this.become("open");
    if (fresh) {
      this.captions = new Captions((message) => this.listener.onMessage(message));
      this.listener.onMessage({ type: "session", id: pass.session, resumed: false, recorded: false, room: pass.room });
    }
    if (!this.present.agents().length) this.deserted();
    for (const each of this.present.others()) if (each.isAgent) this.greet(each);
    this.showPeople();
    clearInterval(this.watch);
    this.silentSince = 0;
    this.watch = setInterval(() => void this.look(), 1000);
    this.expectAgent();
  }

  private expectAgent(): void {
    this.later(NOBODY, () => {
      if (!this.ready && this.present.agents().length === 0) this.listener.onMessage({ type: "alone" });
    });
  }

  async summon(): Promise<void> {
    if (!this.session) return;
    await summon(this.session);
    this.expectAgent();
  }

  private failed(error: unknown): void {
    if (!this.wanted) return;
    if (this.attempts === 2) this.listener.onMessage({ type: "trouble", text: error instanceof Error ? error.message : String(error) });
    this.again();
  }

  private again(): void {
    this.clear();
    this.ready = false;
    this.room = this.published = null;
    this.become("lost");
    const pause = PAUSES[Math.min(this.attempts, PAUSES.length - 1)] ?? 3000;
    this.attempts += 1;
    this.later(pause, () => void this.join());
  }

  private listen(room: Room, on: typeof import("livekit-client").RoomEvent, why: typeof import("livekit-client").DisconnectReason): void {
    room.registerTextStreamHandler(TRANSCRIPTION, (reader, from) => void this.read(reader, from.identity, true));
    room.registerTextStreamHandler(CHAT, (reader, from) => void this.read(reader, from.identity, false));
    room
      .on(on.DataReceived, (data, from, _kind, topic) => from && topic === TOPIC && this.take(data, from))
      .on(on.ParticipantConnected, (who) => {
        if (who.isAgent) this.greet(who);
        this.showPeople();
      })
      .on(on.ParticipantDisconnected, (who) => {
        this.greeted.delete(who.sid);
        if (who.isAgent && this.present.agents().length === 0) this.deserted();
        this.showPeople();
      })
      .on(on.ParticipantAttributesChanged, (_changed, who) => who !== room.localParticipant && this.agentSays(who as RemoteParticipant))
      .on(on.TrackSubscribed, () => this.collect())
      .on(on.TrackUnsubscribed, () => this.collect())
      .on(on.ActiveSpeakersChanged, () => this.showPeople())
      .on(on.ParticipantNameChanged, () => this.showPeople())
      .on(on.Reconnecting, () => this.become("lost"))
      .on(on.SignalReconnecting, () => this.become("lost"))
      .on(on.Reconnected, () => this.become("open"))
      .on(on.Disconnected, (reason) => {
        if (room !== this.room) return;
        if (reason === why.DUPLICATE_IDENTITY) this.finish(REPLACED);
        else if (reason === why.ROOM_DELETED || reason === why.PARTICIPANT_REMOVED) this.finish(OVER);
        else if (this.wanted) this.again();
      });
  }

  private finish(code: number): void {
    this.close();
    if (code === OVER) this.session = null;
    this.listener.onEnd(code, "");
  }

  // --- what comes -------------------------------------------------------------------------------------------

  private take(data: Uint8Array, from: RemoteParticipant): void {
    if (!from.isAgent) return;
    let message: FromServer;
    try {
      message = JSON.parse(new TextDecoder().decode(data)) as FromServer;
    } catch {
      return;
    }
    this.captions.meet(from.sid);
    this.silentSince = performance.now();
    if (this.state === "lost" && this.room?.state === "connected") this.become("open");
    if (message.type === "hush") this.audio.hush(message.seconds);
    else if (message.type === "ready") this.becomeReady();
    else if (message.type === "ended") this.finish(OVER);
    else this.captions.told(from.sid, message, (identity) => this.present.nameOf(identity));
  }

  private async read(reader: TextStreamReader, identity: string, spoken: boolean): Promise<void> {
    const who = this.present.speaker(identity);
    const { id } = reader.info;
    let text = "";
    for await (const piece of reader) {
      text += piece;
      if (spoken) this.captions.heard(reader.info.attributes ?? {}, id, who, text, false);
    }
    if (spoken) this.captions.heard(reader.info.attributes ?? {}, id, who, text, true);
    else this.captions.written(id, who, text);
  }

  /** An agent has come: ask what was said, and wait whether it is one of ours. */
  private greet(agent: RemoteParticipant): void {
    if (this.greeted.has(agent.sid)) return;
    this.greeted.add(agent.sid);
    this.tellAgent({ type: "hello", session: null });
    this.later(STRANGER, () => this.captions.knows(agent.sid) || this.agentSays(agent, true));
  }

  /** LiveKit's own words for whose turn it is; an agent of ours says it more finely. */
  private agentSays(agent: RemoteParticipant, surely = false): void {
    if (!agent.isAgent) return;
    if (agent.attributes[FULL_HOUSE] === "true") return this.listener.onMessage({ type: "full" });
    const state = agent.attributes[STATE];
    if (this.captions.knows(agent.sid) || !this.greeted.has(agent.sid) || state === "initializing") return;
    if (!surely && !this.ready) return;
    this.becomeReady();
    const floor: Floor = state === "thinking" || state === "speaking" ? state : "listening";
    this.listener.onMessage({ type: "floor", state: floor, duplex: "full" });
  }

  private becomeReady(): void {
    if (this.ready) return;
    this.ready = true;
    this.listener.onMessage({ type: "ready" });
    this.collect();
    for (const each of this.waiting.splice(0)) this.send(each);
  }

  private deserted(): void {
    this.ready = false;
    this.listener.onMessage({ type: "loading", what: "agent" });
  }

  /** Everybody's sound together; the meter shows the agent's. */
  private collect(): void {
    const tracks = (from: RemoteParticipant[]): MediaStreamTrack[] =>
      from.flatMap((each) => [...each.audioTrackPublications.values()].flatMap((one) => one.track?.mediaStreamTrack ?? []));
    const all = tracks(this.present.others());
    const before = this.stream?.getTracks() ?? [];
    if (all.length === before.length && all.every((each) => before.includes(each))) return;
    this.stream = all.length ? new MediaStream(all) : null;
    this.counted = { delay: 0, emitted: 0 };
    const agent = tracks(this.present.agents());
    this.audio.play(this.stream, agent.length ? new MediaStream(agent) : null);
  }

  // --- once a second ----------------------------------------------------------------------------------------

  /** How late what we hear is; and whether an agent of ours still answers. */
  private async look(): Promise<void> {
    const agent = this.present.agents()[0];
    if (agent && !this.ready) this.tellAgent({ type: "hello", session: null }); // it may not have known us yet
    if (!agent || !this.captions.knows(agent.sid)) return;
    this.tellAgent({ type: "ping", n: Math.round(performance.now()) });
    if (this.silentSince && performance.now() - this.silentSince > SILENCE) this.become("lost");
    const track = [...agent.audioTrackPublications.values()][0]?.track;
    const stats = await track?.getRTCStatsReport().catch(() => undefined);
    if (!stats) return;
    const [seconds, counted] = playout([...stats.values()] as Record<string, unknown>[], this.counted, this.audio.outputLatency);
    this.counted = counted;
    if (seconds > 0) this.tellAgent({ type: "playout", seconds });
  }

  private tellAgent(message: object, agent?: RemoteParticipant): void {
    const to = (agent ? [agent] : this.present.agents()).map((each) => each.identity);
    if (!to.length) return;
    const data = new TextEncoder().encode(JSON.stringify(message));
    void this.room?.localParticipant.publishData(data, { reliable: true, topic: TOPIC, destinationIdentities: to }).catch(() => undefined);
  }

  private showPeople(): void {
    if (this.room) this.listener.onMessage({ type: "people", people: this.present.people() });
  }

  private later(milliseconds: number, what: () => void): void {
    this.timers.push(setTimeout(what, milliseconds));
  }

  private clear(): void {
    for (const each of this.timers.splice(0)) clearTimeout(each);
    clearInterval(this.watch);
  }

  private become(state: LinkState): void {
    if (state === this.state) return;
    this.state = state;
    this.listener.onState(state);
    if (state === "open" && this.ready) this.listener.onMessage({ type: "ready" });
  }
}
