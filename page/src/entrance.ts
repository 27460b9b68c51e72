/** The way in: whether we may come in at all, and the form that asks for the token where we may not yet. */

import type { View } from "./view";

const $ = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;

/** What the server says to whom it lets in. */
export interface Entered {
  livekit?: boolean;
  language?: string;
}

/** Ask with the code of a link, or none; what the server said, null where it will not have us yet. */
export async function enter(code: string, view: View): Promise<Entered | null> {
  let status = 0;
  let answer: Entered = {};
  try {
    const response = await fetch("enter", { method: "POST", body: JSON.stringify({ code }) });
    status = response.status;
    answer = (await response.json()) as Entered;
  } catch {
    return {}; // no server: the first word will say so
  }
  const dialog = $<HTMLDialogElement>("enter");
  if (status === 200) {
    dialog.close();
    return answer;
  }
  $("enter-error").textContent = status === 429 ? view.word("enter.often") : code ? view.word("enter.wrong") : "";
  if (!dialog.open) dialog.showModal();
  return null;
}

/** Let the form try what is typed into it. */
export function bindEntrance(tryCode: (code: string) => void): void {
  $<HTMLFormElement>("enter-form").onsubmit = (event) => {
    event.preventDefault();
    const token = $<HTMLInputElement>("token");
    tryCode(token.value.trim());
    token.value = "";
  };
  $<HTMLDialogElement>("enter").oncancel = (event) => event.preventDefault();
}
