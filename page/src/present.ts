/** Who is in a LiveKit room beside oneself. */

import type { RemoteParticipant, Room } from "livekit-client";
import type { Speaker } from "./captions";

export class Present {
  constructor(private readonly room: () => Room | null) {}

  others(): RemoteParticipant[] {
    return [...(this.room()?.remoteParticipants.values() ?? [])];
  }

  agents(): RemoteParticipant[] {
    return this.others().filter((each) => each.isAgent);
  }

  /** People, as the page shows them. */
  people(): { name: string; speaking: boolean }[] {
    return this.others()
      .filter((each) => !each.isAgent)
      .map((each) => ({ name: each.name || each.identity, speaking: each.isSpeaking }));
  }

  me(): Speaker {
    return { identity: this.room()?.localParticipant.identity ?? "", name: "", agent: false, me: true };
  }

  speaker(identity: string): Speaker {
    const who = this.room()?.remoteParticipants.get(identity);
    if (!who) return { ...this.me(), identity };
    return { identity, name: who.name || identity, agent: who.isAgent, me: false };
  }

  /** A person's name for a bubble; none for one's own. */
  nameOf(identity: string): string | undefined {
    if (identity === this.room()?.localParticipant.identity) return undefined;
    return this.room()?.remoteParticipants.get(identity)?.name || identity || undefined;
  }
}
