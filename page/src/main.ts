/** The page: one conversation, by voice and in writing, over whichever transport the server names. */

import { Audio, whyNot } from "./audio";
import { Chat, spoken } from "./chat";
import { bindEntrance, enter } from "./entrance";
import * as kept from "./kept";
import { bindKeys } from "./keys";
import { FULL, OVER, REPLACED, type Bubble, type Floor, type FromServer } from "./messages";
import { OwnServer } from "./own";
import { LiveKitRoom } from "./room";
import { Settings } from "./settings";
import type { LinkState, Listener, Transport } from "./transport";
import { View, type Offer } from "./view";
import type { Word } from "./words";

const $ = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;
const text = $<HTMLInputElement>("text");
const scroll = $("scroll");

const local = kept.storage("localStorage");
const tab = kept.storage("sessionStorage");
const preferences = kept.loadPreferences(local, navigator.languages);
/** Whether the user has set anything on this page before. */
const chosen = kept.known(local);
const view = new View(preferences.language);
const chat = new Chat($<HTMLOListElement>("log"), preferences.language);
const before = kept.loadConversation(tab);

let floor: Floor = "listening";
let linked: LinkState = "closed";
let ready = false;
let talking = false;
let muted = false;
/** What is being waited for before the conversation can begin. */
let waiting = "";
/** The agent's voice is wanted although nobody talks: for an answer to what was written. */
let wantsVoice = false;
/** Which room others are asked to, in a LiveKit room. */
let room = /^#room=([\w-]{1,64})$/.exec(location.hash)?.[1] ?? "";

const audio = new Audio({
  voice: $<HTMLAudioElement>("voice"),
  onLevels: (levels) => {
    view.level($("level-you"), levels.you);
    view.level($("level-agent"), levels.agent);
    $("talk").style.setProperty("--level", levels.you.toFixed(2));
  },
  onMicrophoneLost: () => endTalk("trouble.missing"),
});
const listener: Listener = {
  onMessage: take,
  onState: (state) => {
    linked = state;
    if (state !== "open") ready = false;
    drawTurn();
  },
  onEnd: ended,
  onSoundLost: () => void (ready && connectSound()),
};
let transport: Transport = new OwnServer(audio, before?.session ?? null, listener);
const settings = new Settings({
  preferences,
  storage: local,
  onLanguage: speak,
  onMicrophone: () => talking && void beginTalk(),
  onForget: forget,
});

// --- what the agent's side says ---------------------------------------------------------------------------

function take(message: FromServer): void {
  switch (message.type) {
    case "session":
      if (chat.size) chat.clear();
      $("recorded").hidden = !message.recorded;
      if (message.room) showRoom(message.room);
      remember();
      break;
    case "loading":
      waiting = message.what;
      ready = false;
      drawTurn();
      break;
    case "ready":
      begun();
      break;
    case "trouble":
      view.tell("trouble.server", message.text);
      break;
    case "refused":
      view.tell("trouble.sound", message.text);
      break;
    case "full":
      view.tell("trouble.full", "", offer());
      break;
    case "alone":
      view.tell("trouble.alone", "", offer());
      break;
    case "people":
      view.showPeople(message.people);
      break;
    case "bubble":
      put(message);
      break;
    case "gone":
      chat.drop(message.id);
      break;
    case "floor":
      floor = message.state;
      drawTurn();
      break;
    case "latency":
      view.showLatency(message.seconds, message.parts);
      break;
    case "hush":
      audio.hush(message.seconds);
      break;
  }
}

function begun(): void {
  ready = true;
  waiting = "";
  view.settle();
  if (muted) transport.send({ type: "mute", on: true });
  if ((talking || wantsVoice) && !transport.sounds) void connectSound();
  drawTurn();
}

/** To send for an agent again, where that can be done. */
function offer(): Offer | null {
  const { summon } = transport;
  if (!summon) return null;
  const failed = (error: unknown): void => view.tell("trouble.server", error instanceof Error ? error.message : String(error), offer());
  return { word: "trouble.again", take: () => void summon.call(transport).then(() => view.tell(null), failed) };
}

function showRoom(name: string): void {
  room = name;
  history.replaceState(null, "", `#room=${name}`);
  settings.showRoom(location.href);
}

/** Whether the newest words are in view, so that they are to stay there. */
let follow = true;

function put(bubble: Bubble): void {
  $("welcome").hidden = true;
  chat.put(bubble);
  keepUp();
  if (bubble.done && bubble.who !== "note") announce(bubble);
}

function keepUp(): void {
  if (follow) scroll.scrollTop = scroll.scrollHeight;
  drawLatest();
}

/** Screen readers hear what is settled, once; the agent's words only where its voice is not heard anyway. */
const announced = new Set<number>();
function announce(bubble: Bubble): void {
  if (announced.has(bubble.id) || (bubble.who === "agent" && transport.sounds)) return;
  announced.add(bubble.id);
  const line = document.createElement("p");
  line.textContent = spoken(bubble, preferences.language);
  const announcer = $("announcer");
  announcer.append(line);
  while (announcer.childElementCount > 5) announcer.firstElementChild?.remove();
}

function ended(code: number, why: string): void {
  audio.release();
  talking = wantsVoice = false;
  if (code === OVER) kept.saveConversation(tab, null);
  if (!(code === OVER && view.told)) {
    const word: Word = code === REPLACED ? "trouble.moved" : code === OVER ? "trouble.over" : code === FULL ? "trouble.full" : "trouble.slow";
    view.tell(word, why);
  }
  drawTurn();
}

// --- what the user does -----------------------------------------------------------------------------------

async function beginTalk(): Promise<void> {
  view.tell(null);
  talking = true;
  drawTurn();
  try {
    await audio.listen(preferences.microphone);
  } catch (error) {
    if (preferences.microphone && whyNot(error) === "missing") {
      preferences.microphone = ""; // the chosen one is gone: the system's own
      return beginTalk();
    }
    talking = false;
    wantsVoice = true;
    open();
    drawTurn();
    view.tell(`trouble.${whyNot(error)}`);
    text.focus();
    return;
  }
  wantsVoice = true;
  void settings.fillDevices();
  if (transport.sounds) await transport.microphoneChanged();
  open();
}

function open(): void {
  if (linked === "closed") {
    floor = "listening";
    transport.open();
  } else if (ready && !(transport.sounds && talking)) void connectSound();
  remember();
}

async function connectSound(): Promise<void> {
  try {
    await transport.connectSound();
  } catch (error) {
    view.tell("trouble.sound", error instanceof Error ? error.message : String(error));
  }
}

function endTalk(why: Word | null = null): void {
  talking = wantsVoice = false;
  audio.release();
  transport.hangUp();
  view.tell(why);
  remember();
  drawTurn();
}

function write(): void {
  const said = text.value.trim();
  if (!said) return;
  text.value = "";
  follow = true;
  if (preferences.aloud && !transport.sounds) wantsVoice = true;
  if (linked === "closed") open();
  else if (ready && wantsVoice && !transport.sounds) void connectSound();
  transport.send({ type: "type", text: said });
}

function interrupt(): void {
  transport.send({ type: "stop" });
}

function setMute(on: boolean): void {
  muted = on;
  audio.mute(on);
  transport.send({ type: "mute", on });
  drawTurn();
}

function remember(): void {
  const { session } = transport;
  kept.saveConversation(tab, session ? { session, talking } : null);
}

function forget(): void {
  transport.send({ type: "end" });
  transport.close();
  transport.session = null;
  audio.release();
  talking = wantsVoice = ready = false;
  room = "";
  history.replaceState(null, "", location.pathname);
  chat.clear();
  announced.clear();
  kept.saveConversation(tab, null);
  $("welcome").hidden = false;
  $("recorded").hidden = true;
  view.tell(null);
  view.showLatency(null);
  view.showPeople([]);
  drawTurn();
}

// --- what is seen -----------------------------------------------------------------------------------------

function drawTurn(): void {
  const speaking = floor === "speaking" || floor === "ducked";
  const busy = ready && (speaking || floor === "thinking" || floor === "guessing");
  let state: string = floor;
  if (linked === "lost") state = "lost";
  else if (linked === "closed") state = talking ? "connecting" : "idle";
  else if (!ready) state = waiting === "agent" ? "waiting" : "connecting";
  else if (!talking && !busy) state = "writing";
  else if (muted && !busy) state = "muted";
  view.showTurn({ state, busy, talking, muted });
}

function drawLatest(): void {
  $("latest").hidden = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
}

function speak(): void {
  view.speak(preferences.language);
  chat.speak(preferences.language);
  drawTurn();
}

// --- the way in -------------------------------------------------------------------------------------------

async function comeIn(code: string): Promise<void> {
  const entered = await enter(code, view);
  if (!entered) return;
  if (entered.livekit) meetInRoom();
  if (entered.language === "zh" && !chosen) settings.choose("zh"); // that is what one talks in here
  goOn();
}

function meetInRoom(): void {
  if (transport instanceof LiveKitRoom) return;
  transport.close();
  transport = new LiveKitRoom(audio, before?.session ?? null, listener, () => ({ room, name: preferences.name }));
  settings.showRoom(null);
}

function goOn(): void {
  if (!before) return;
  if (before.talking) void beginTalk();
  else transport.open();
}

function bind(): void {
  $("talk").onclick = () => void (talking ? endTalk() : beginTalk());
  $("stop").onclick = interrupt;
  $("mute").onclick = () => setMute(!muted);
  $<HTMLFormElement>("write").onsubmit = (event) => {
    event.preventDefault();
    write();
  };
  bindEntrance((code) => void comeIn(code));
  $("latest").onclick = () => scroll.scrollTo({ top: scroll.scrollHeight });
  scroll.onscroll = () => {
    follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
    drawLatest();
  };
  new ResizeObserver(keepUp).observe(scroll); // a phone's keyboard comes and goes
  bindKeys({ interrupt, mute: () => talking && setMute(!muted), write: () => text.focus() });
}

bind();
speak();
const code = /^#enter=([\w-]+)$/.exec(location.hash)?.[1] ?? "";
if (code) history.replaceState(null, "", location.pathname);
void comeIn(code);
