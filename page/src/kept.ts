/** What this browser remembers: preferences for good, the conversation's secret for this tab only. */

import { preferred, type Language } from "./words";

export interface Preferences {
  language: Language;
  theme: "auto" | "light" | "dark";
  volume: number;
  microphone: string;
  loudspeaker: string;
  aloud: boolean;
  /** By which others in a room know this person. */
  name: string;
}

const PREFERENCES = "echoless.preferences";
const CONVERSATION = "echoless.conversation";

export interface Conversation {
  session: string;
  /** Whether the user was talking, so that a reload goes on with it. */
  talking: boolean;
}

export function defaults(languages: readonly string[]): Preferences {
  return { language: preferred(languages), theme: "auto", volume: 100, microphone: "", loudspeaker: "", aloud: true, name: "" };
}

/** The stored preferences, each checked: storage is the user's to edit. */
export function loadPreferences(storage: Storage | null, languages: readonly string[]): Preferences {
  const known = defaults(languages);
  const stored = parsed(storage, PREFERENCES);
  if (stored.language === "en" || stored.language === "zh") known.language = stored.language;
  if (stored.theme === "light" || stored.theme === "dark") known.theme = stored.theme;
  if (typeof stored.volume === "number" && stored.volume >= 0 && stored.volume <= 100) known.volume = stored.volume;
  if (typeof stored.microphone === "string") known.microphone = stored.microphone;
  if (typeof stored.loudspeaker === "string") known.loudspeaker = stored.loudspeaker;
  if (typeof stored.aloud === "boolean") known.aloud = stored.aloud;
  if (typeof stored.name === "string") known.name = stored.name.slice(0, 40);
  return known;
}

/** Whether there are any. */
export function known(storage: Storage | null): boolean {
  return Object.keys(parsed(storage, PREFERENCES)).length > 0;
}

export function savePreferences(storage: Storage | null, preferences: Preferences): void {
  store(storage, PREFERENCES, JSON.stringify(preferences));
}

export function loadConversation(storage: Storage | null): Conversation | null {
  const stored = parsed(storage, CONVERSATION);
  if (typeof stored.session !== "string" || !stored.session) return null;
  return { session: stored.session, talking: stored.talking === true };
}

export function saveConversation(storage: Storage | null, conversation: Conversation | null): void {
  if (conversation) store(storage, CONVERSATION, JSON.stringify(conversation));
  else storage?.removeItem(CONVERSATION);
}

/** A storage that may be forbidden. */
export function storage(which: "localStorage" | "sessionStorage"): Storage | null {
  try {
    return window[which];
  } catch {
    return null;
  }
}

function parsed(storage: Storage | null, key: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(storage?.getItem(key) ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function store(storage: Storage | null, key: string, value: string): void {
  try {
    storage?.setItem(key, value);
  } catch {
    // full or forbidden: it works without
  }
}
