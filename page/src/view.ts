/** What is seen beside the conversation: whose turn it is, latency, levels, notices, who is in the room. */

import type { Parts } from "./messages";
import { isWord, say, type Language, type Word } from "./words";

const $ = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;

export interface Turn {
  /** A word `floor.…` of the page's. */
  state: string;
  /** Whether there is something to stop. */
  busy: boolean;
  talking: boolean;
  muted: boolean;
}

/** Something that the user can do about a notice. */
export interface Offer {
  word: Word;
  take: () => void;
}

/** What stays said although the conversation goes on. */
const LASTING: readonly Word[] = ["trouble.denied", "trouble.missing", "trouble.busy", "trouble.unsafe"];

export class View {
  private notice: { word: Word; fill: string; offer: Offer | null } | null = null;
  private latency: number | null = null;
  private parts: Parts | undefined;
  private turn: Turn = { state: "idle", busy: false, talking: false, muted: false };

  constructor(private language: Language) {}

  word(which: Word, ...fill: string[]): string {
    return say(this.language, which, ...fill);
  }

  speak(language: Language): void {
    this.language = language;
    document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
    for (const each of document.querySelectorAll<HTMLElement>("[data-say]")) {
      const which = each.dataset.say ?? "";
      if (isWord(which)) each.textContent = this.word(which);
    }
    for (const each of document.querySelectorAll<HTMLElement>("[data-label]")) {
      const which = each.dataset.label ?? "";
      if (isWord(which)) this.label(each, which);
    }
    $<HTMLInputElement>("text").placeholder = this.word("write.here");
    if (this.notice) this.tell(this.notice.word, this.notice.fill, this.notice.offer);
    this.showLatency(this.latency, this.parts);
    this.showTurn(this.turn);
  }

  tell(which: Word | null, fill = "", offer: Offer | null = null): void {
    this.notice = which ? { word: which, fill, offer } : null;
    const line = document.createElement("p");
    line.textContent = which ? this.word(which, fill) : "";
    if (offer) line.append(this.button(offer));
    $("notices").replaceChildren(...(which ? [line] : []));
  }

  private button(offer: Offer): HTMLButtonElement {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "wide";
    made.textContent = this.word(offer.word);
    made.onclick = () => {
      made.disabled = true; // once: what comes of it is told
      offer.take();
    };
    return made;
  }

  get told(): boolean {
    return this.notice !== null;
  }

  /** Take back what is over now that the conversation goes on. */
  settle(): void {
    if (this.notice && !LASTING.includes(this.notice.word)) this.tell(null);
  }

  showTurn(turn: Turn): void {
    this.turn = turn;
    document.body.dataset.floor = turn.state;
    const key = `floor.${turn.state}`;
    const line = isWord(key) ? this.word(key) : "";
    if ($("floor-text").textContent !== line) $("floor-text").textContent = line;
    $<HTMLButtonElement>("stop").disabled = !turn.busy;
    $<HTMLButtonElement>("mute").disabled = !turn.talking;
    $("mute").setAttribute("aria-pressed", String(turn.muted));
    $("talk").setAttribute("aria-pressed", String(turn.talking));
    this.label($("talk"), turn.talking ? "talk.end" : "talk");
    $("talk-word").textContent = this.word(turn.talking ? "talk.end.short" : "talk");
  }

  /** How long the last answer took; where its time went, for whoever points at it. */
  showLatency(seconds: number | null, parts?: Parts): void {
    this.latency = seconds;
    this.parts = parts;
    const rounded = parts ? [parts.turn, parts.reply, parts.way].map((each) => each.toFixed(2)) : [];
    $("latency").title = parts ? this.word("latency.parts", ...rounded) : "";
    $("latency").hidden = seconds === null;
    $("latency").textContent = seconds === null ? "" : this.word("latency", seconds.toFixed(2));
  }

  showPeople(people: readonly { name: string; speaking: boolean }[]): void {
    const shown = people.map((each) => {
      const item = document.createElement("li");
      item.textContent = each.name;
      item.className = each.speaking ? "speaking" : "";
      if (each.speaking) item.append(hidden(` ${this.word("people.speaks")}`));
      return item;
    });
    $("people").replaceChildren(...shown);
    $("people").hidden = people.length === 0;
  }

  level(meter: HTMLElement, value: number): void {
    meter.style.setProperty("--level", value.toFixed(3));
    const now = String(Math.round(value * 10) * 10);
    if (meter.getAttribute("aria-valuenow") !== now) meter.setAttribute("aria-valuenow", now);
  }

  private label(element: HTMLElement, which: Word): void {
    element.setAttribute("aria-label", this.word(which));
    if (element instanceof HTMLButtonElement) element.title = this.word(which);
  }
}

function hidden(text: string): HTMLElement {
  const made = document.createElement("span");
  made.className = "hidden";
  made.textContent = text;
  return made;
}

