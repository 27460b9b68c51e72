/** What our own server does for a page in a LiveKit room: lets it in, and sends for an agent again. */

export interface Pass {
  url: string;
  token: string;
  session: string;
  room: string;
}

/** A pass for a room. Rejects with what to tell the user. */
export function ask(wish: { session: string | null; room: string; name: string }): Promise<Pass> {
  return post<Pass>("join", wish);
}

/** Send for an agent where there is none. Rejects with what to tell the user. */
export async function summon(session: string): Promise<void> {
  await post("summon", { session });
}

async function post<Answer>(path: string, wish: object): Promise<Answer> {
  const response = await fetch(path, { method: "POST", body: JSON.stringify(wish) });
  const answer = (await response.json()) as Answer & { error?: string };
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}
