/** The page: one conversation, by voice and in writing. */

import { Chat, spoken } from "./chat";
import * as kept from "./kept";
import { Link, type LinkState } from "./link";
import { FULL, OVER, REPLACED, type Bubble, type Floor, type FromServer } from "./messages";
import { Sound, whyNot } from "./sound";
import { isWord, say, type Word } from "./words";

const $ = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;
const talk = $<HTMLButtonElement>("talk");
const stop = $<HTMLButtonElement>("stop");
const mute = $<HTMLButtonElement>("mute");
const text = $<HTMLInputElement>("text");
const scroll = $("scroll");

const local = kept.storage("localStorage");
const tab = kept.storage("sessionStorage");
const preferences = kept.loadPreferences(local, navigator.languages);

let floor: Floor = "listening";
let linked: LinkState = "closed";
let ready = false;
let talking = false;
let muted = false;
let latency: number | null = null;
/** What stays said although the conversation goes on. */
const MICROPHONE: Word[] = ["trouble.denied", "trouble.missing", "trouble.busy", "trouble.unsafe"];
let notice: { word: Word; fill: string } | null = null;

const word = (which: Word, ...fill: string[]): string => say(preferences.language, which, ...fill);
const chat = new Chat($<HTMLOListElement>("log"), preferences.language);
const before = kept.loadConversation(tab);
const link = new Link({
  address: new URL("talk", location.href.replace(/^http/, "ws")).href.split("#")[0] ?? "",
  session: before?.session ?? null,
  onMessage: take,
  onState: (state) => {
    linked = state;
    if (state !== "open") ready = false;
    drawFloor();
  },
  onEnd: ended,
});
const sound = new Sound({
  voice: $<HTMLAudioElement>("voice"),
  onOffer: (sdp) => link.send({ type: "offer", sdp }),
  onPlayout: (seconds) => link.send({ type: "playout", seconds }),
  onLevels: (levels) => {
    level($("level-you"), levels.you);
    level($("level-agent"), levels.agent);
    talk.style.setProperty("--level", levels.you.toFixed(2));
  },
  onLost: (what) => {
    if (what === "microphone") void endTalk("trouble.missing");
    else if (ready) void connectSound();
  },
});

// --- what the server says ---------------------------------------------------------------------------------

function take(message: FromServer): void {
  switch (message.type) {
    case "session":
      if (chat.size) chat.clear();
      $("recorded").hidden = !message.recorded;
      remember();
      break;
    case "loading":
      drawFloor();
      break;
    case "ready":
      ready = true;
      if (notice && !MICROPHONE.includes(notice.word)) tell(null);
      if (muted) link.send({ type: "mute", on: true });
      if ((talking || wantsVoice) && !sound.connected) void connectSound();
      drawFloor();
      break;
    case "trouble":
      tell("trouble.server", message.text);
      break;
    case "refused":
      tell("trouble.sound", message.text);
      break;
    case "answer":
      void sound.answered(message.sdp).catch((error: unknown) => tell("trouble.sound", String(error)));
      break;
    case "bubble":
      put(message);
      break;
    case "gone":
      chat.drop(message.id);
      break;
    case "floor":
      floor = message.state;
      drawFloor();
      break;
    case "latency":
      latency = message.seconds;
      drawLatency();
      break;
    case "hush":
      sound.hush(message.seconds);
      break;
  }
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
  if (announced.has(bubble.id) || (bubble.who === "agent" && sound.connected)) return;
  announced.add(bubble.id);
  const line = document.createElement("p");
  line.textContent = spoken(bubble, preferences.language);
  const announcer = $("announcer");
  announcer.append(line);
  while (announcer.childElementCount > 5) announcer.firstElementChild?.remove();
}

function ended(code: number, why: string): void {
  sound.close();
  talking = wantsVoice = false;
  if (code === OVER) kept.saveConversation(tab, null);
  if (code === OVER && notice) return; // why has been said already
  tell(code === REPLACED ? "trouble.moved" : code === OVER ? "trouble.over" : code === FULL ? "trouble.full" : "trouble.slow", why);
  drawFloor();
}

// --- what the user does -----------------------------------------------------------------------------------

/** The agent's voice is wanted although nobody talks: for an answer to what was written. */
let wantsVoice = false;

async function beginTalk(): Promise<void> {
  tell(null);
  talking = true;
  drawFloor();
  try {
    await sound.listen(preferences.microphone);
  } catch (error) {
    if (preferences.microphone && whyNot(error) === "missing") {
      preferences.microphone = ""; // the chosen one is gone: the system's own
      return beginTalk();
    }
    talking = false;
    wantsVoice = true;
    open();
    drawFloor();
    tell(`trouble.${whyNot(error)}`);
    text.focus();
    return;
  }
  wantsVoice = true;
  void fillDevices();
  open();
}

function open(): void {
  if (linked === "closed") {
    floor = "listening";
    link.open();
  } else if (ready) void connectSound();
  remember();
}

async function connectSound(): Promise<void> {
  try {
    await sound.connect();
  } catch (error) {
    tell("trouble.sound", String(error));
  }
}

async function endTalk(why: Word | null = null): Promise<void> {
  talking = wantsVoice = false;
  sound.close();
  link.send({ type: "quiet" });
  tell(why);
  remember();
  drawFloor();
}

function write(): void {
  const said = text.value.trim();
  if (!said) return;
  text.value = "";
  follow = true;
  if (preferences.aloud && !sound.connected) wantsVoice = true;
  if (linked === "closed") open();
  else if (ready && wantsVoice && !sound.connected) void connectSound();
  link.send({ type: "type", text: said });
}

function interrupt(): void {
  link.send({ type: "stop" });
}

function setMute(on: boolean): void {
  muted = on;
  sound.mute(on);
  link.send({ type: "mute", on });
  drawFloor();
}

function remember(): void {
  kept.saveConversation(tab, link.session ? { session: link.session, talking } : null);
}

function forget(): void {
  link.send({ type: "end" });
  link.close();
  link.session = null;
  sound.close();
  talking = wantsVoice = ready = false;
  latency = null;
  chat.clear();
  announced.clear();
  kept.saveConversation(tab, null);
  $("welcome").hidden = false;
  $("recorded").hidden = true;
  tell(null);
  drawLatency();
  drawFloor();
}

// --- what is seen -----------------------------------------------------------------------------------------

function drawFloor(): void {
  const speaking = floor === "speaking" || floor === "ducked";
  const busy = ready && (speaking || floor === "thinking" || floor === "guessing");
  let state: string = floor;
  if (linked === "lost") state = "lost";
  else if (linked === "closed") state = talking ? "connecting" : "idle";
  else if (!ready) state = "connecting";
  else if (!talking && !busy) state = "writing";
  else if (muted && !busy) state = "muted";
  document.body.dataset.floor = state;
  const key = `floor.${state}`;
  const line = isWord(key) ? word(key) : "";
  if ($("floor-text").textContent !== line) $("floor-text").textContent = line;
  stop.disabled = !busy;
  mute.disabled = !talking;
  mute.setAttribute("aria-pressed", String(muted));
  talk.setAttribute("aria-pressed", String(talking));
  label(talk, talking ? "talk.end" : "talk");
}

function drawLatency(): void {
  $("latency").hidden = latency === null;
  $("latency").textContent = latency === null ? "" : word("latency", latency.toFixed(2));
}

function drawLatest(): void {
  $("latest").hidden = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
}

function tell(which: Word | null, fill = ""): void {
  notice = which ? { word: which, fill } : null;
  const notices = $("notices");
  notices.replaceChildren();
  if (!notice) return;
  const line = document.createElement("p");
  line.textContent = word(notice.word, notice.fill);
  notices.append(line);
}

function level(meter: HTMLElement, value: number): void {
  meter.style.setProperty("--level", value.toFixed(3));
  const now = String(Math.round(value * 10) * 10);
  if (meter.getAttribute("aria-valuenow") !== now) meter.setAttribute("aria-valuenow", now);
}

function label(element: HTMLElement, which: Word): void {
  element.setAttribute("aria-label", word(which));
  element.title = word(which);
}

/** Everything that has words, in the language of the page. */
function drawWords(): void {
  document.documentElement.lang = preferences.language === "zh" ? "zh-Hans" : "en";
  for (const each of document.querySelectorAll<HTMLElement>("[data-say]")) {
    const which = each.dataset.say ?? "";
    if (isWord(which)) each.textContent = word(which);
  }
  text.placeholder = word("write.here");
  label($("send"), "send");
  label(mute, "mute");
  label(stop, "stop");
  label($("open-settings"), "settings");
  $("level-you").setAttribute("aria-label", word("level.you"));
  $("level-agent").setAttribute("aria-label", word("level.agent"));
  scroll.setAttribute("aria-label", "Echoless");
  chat.speak(preferences.language);
  if (notice) tell(notice.word, notice.fill);
  drawLatency();
  drawFloor();
}

// --- settings ---------------------------------------------------------------------------------------------

const pickers = { microphone: $<HTMLSelectElement>("microphone"), loudspeaker: $<HTMLSelectElement>("loudspeaker") };

async function fillDevices(): Promise<void> {
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  fill(pickers.microphone, devices, "audioinput", preferences.microphone);
  fill(pickers.loudspeaker, devices, "audiooutput", preferences.loudspeaker);
  $("loudspeaker-row").hidden = !("setSinkId" in HTMLMediaElement.prototype);
}

function fill(picker: HTMLSelectElement, devices: MediaDeviceInfo[], kind: MediaDeviceKind, chosen: string): void {
  const known = devices.filter((each) => each.kind === kind && each.deviceId && each.deviceId !== "default" && each.label);
  picker.replaceChildren(new Option(word("device.default"), ""), ...known.map((each) => new Option(each.label, each.deviceId)));
  picker.value = known.some((each) => each.deviceId === chosen) ? chosen : "";
}

function apply(): void {
  const voice = $<HTMLAudioElement>("voice");
  voice.volume = preferences.volume / 100;
  if ("setSinkId" in voice) void voice.setSinkId(preferences.loudspeaker).catch(() => undefined);
  if (preferences.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = preferences.theme;
  kept.savePreferences(local, preferences);
}

function bindSettings(): void {
  const dialog = $<HTMLDialogElement>("settings");
  const language = $<HTMLSelectElement>("language");
  const theme = $<HTMLSelectElement>("theme");
  const volume = $<HTMLInputElement>("volume");
  const aloud = $<HTMLInputElement>("aloud");
  language.value = preferences.language;
  theme.value = preferences.theme;
  volume.value = String(preferences.volume);
  aloud.checked = preferences.aloud;
  $("open-settings").onclick = () => {
    void fillDevices();
    dialog.showModal();
  };
  language.onchange = () => {
    preferences.language = language.value === "zh" ? "zh" : "en";
    apply();
    drawWords();
  };
  theme.onchange = () => {
    preferences.theme = theme.value === "light" || theme.value === "dark" ? theme.value : "auto";
    apply();
  };
  volume.oninput = () => {
    preferences.volume = Number(volume.value);
    apply();
  };
  aloud.onchange = () => {
    preferences.aloud = aloud.checked;
    apply();
  };
  pickers.microphone.onchange = () => {
    preferences.microphone = pickers.microphone.value;
    apply();
    if (talking) void beginTalk();
  };
  pickers.loudspeaker.onchange = () => {
    preferences.loudspeaker = pickers.loudspeaker.value;
    apply();
  };
  $("forget").onclick = () => {
    dialog.close();
    forget();
  };
  navigator.mediaDevices?.addEventListener?.("devicechange", () => void fillDevices());
}

// --- the way in -------------------------------------------------------------------------------------------

/** Whether we may come in; else the form that asks for the token is shown. */
async function enter(code: string): Promise<boolean> {
  const error = $("enter-error");
  let status = 0;
  try {
    status = (await fetch("enter", { method: "POST", body: JSON.stringify({ code }) })).status;
  } catch {
    return true; // no server: the first word will say so
  }
  const dialog = $<HTMLDialogElement>("enter");
  if (status === 200) {
    dialog.close();
    return true;
  }
  error.textContent = status === 429 ? word("enter.often") : code ? word("enter.wrong") : "";
  if (!dialog.open) dialog.showModal();
  return false;
}

function goOn(): void {
  if (!before) return;
  if (before.talking) void beginTalk();
  else link.open();
}

function bind(): void {
  talk.onclick = () => void (talking ? endTalk() : beginTalk());
  stop.onclick = interrupt;
  mute.onclick = () => setMute(!muted);
  $<HTMLFormElement>("write").onsubmit = (event) => {
    event.preventDefault();
    write();
  };
  $<HTMLFormElement>("enter-form").onsubmit = (event) => {
    event.preventDefault();
    const token = $<HTMLInputElement>("token");
    void enter(token.value.trim()).then((may) => may && goOn());
    token.value = "";
  };
  $<HTMLDialogElement>("enter").oncancel = (event) => event.preventDefault();
  $("latest").onclick = () => scroll.scrollTo({ top: scroll.scrollHeight });
  scroll.onscroll = () => {
    follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 120;
    drawLatest();
  };
  new ResizeObserver(keepUp).observe(scroll); // a phone's keyboard comes and goes
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const writing = event.target instanceof HTMLInputElement;
    if (event.key === "Escape") interrupt();
    else if (event.ctrlKey || event.metaKey || event.altKey || writing) return;
    else if (event.key === "m" || event.key === "M") talking && setMute(!muted);
    else if (event.key === "/") {
      event.preventDefault();
      text.focus();
    }
  });
}

bind();
bindSettings();
apply();
drawWords();
const code = /^#enter=([\w-]+)$/.exec(location.hash)?.[1] ?? "";
if (code) history.replaceState(null, "", location.pathname);
void enter(code).then((may) => may && goOn());
