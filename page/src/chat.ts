/** The conversation as bubbles. Text only ever enters the page as text. */

import type { Bubble } from "./messages";
import { isWord, say, type Language } from "./words";

export class Chat {
  private readonly shown = new Map<number, { bubble: Bubble; item: HTMLLIElement }>();

  constructor(
    private readonly list: HTMLOListElement,
    private language: Language,
  ) {}

  get size(): number {
    return this.shown.size;
  }

  /** Show a new bubble, or what changed of one. */
  put(bubble: Bubble): void {
    const known = this.shown.get(bubble.id);
    const item = known?.item ?? document.createElement("li");
    if (!known) this.list.insertBefore(item, this.after(bubble.id));
    this.shown.set(bubble.id, { bubble, item });
    this.draw(bubble, item);
  }

  drop(id: number): void {
    this.shown.get(id)?.item.remove();
    this.shown.delete(id);
  }

  clear(): void {
    this.shown.clear();
    this.list.replaceChildren();
  }

  speak(language: Language): void {
    this.language = language;
    for (const { bubble, item } of this.shown.values()) this.draw(bubble, item);
  }

  /** The bubble before which a new one belongs: they come in order, but a lost connection may shuffle them. */
  private after(id: number): HTMLLIElement | null {
    let next: number | null = null;
    for (const each of this.shown.keys()) if (each > id && (next === null || each < next)) next = each;
    return next === null ? null : (this.shown.get(next)?.item ?? null);
  }

  private draw(bubble: Bubble, item: HTMLLIElement): void {
    item.className = `${bubble.who}${bubble.done ? " done" : " live"}${bubble.typed ? " typed" : ""}${bubble.other ? " other" : ""}`;
    item.replaceChildren(...(bubble.who === "note" ? [this.note(bubble)] : this.contribution(bubble)));
  }

  private note(bubble: Bubble): Node {
    const word = `note.${bubble.kind}`;
    return element("p", "", isWord(word) ? say(this.language, word, bubble.text) : bubble.text);
  }

  private contribution(bubble: Bubble): Node[] {
    const who = bubble.name ?? say(this.language, bubble.who === "user" ? "you" : "agent");
    const words = element("p", "");
    words.append(element("span", bubble.name ? "name" : "hidden", bubble.name ? who : `${who}: `));
    if (bubble.text) words.append(element("span", "said", bubble.text));
    if (bubble.rest) {
      if (bubble.text && !/\s$/.test(bubble.text) && !/^[\s\p{P}\p{Script=Han}]/u.test(bubble.rest)) words.append(" ");
      if (bubble.done) {
        words.append(element("span", "hidden", ` ${say(this.language, "cut")} `), element("del", "", bubble.rest));
      } else {
        words.append(element("span", "rest", bubble.rest));
      }
    }
    return [words];
  }
}

/** A bubble in one line for a screen reader. */
export function spoken(bubble: Bubble, language: Language): string {
  const who = bubble.name ?? say(language, bubble.who === "user" ? "you" : "agent");
  const cut = bubble.rest ? ` (${say(language, "cut")} ${bubble.rest})` : "";
  return `${who}: ${bubble.text}${cut}`;
}

function element(name: string, kind: string, text = ""): HTMLElement {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  return made;
}
