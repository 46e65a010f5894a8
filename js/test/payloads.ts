import cases from "../../tests/golden/payload-names.json";
import { gunzip, gzip, unpackListing } from "../src/files/listing";
import { packFrame } from "./listings";
import { fromBase64, type Transcript, toBase64 } from "./replay-connection";

/** Names from elsewhere that try to be more than names. */
export const PAYLOADS: readonly string[] = cases.map(({ text }) => text);

/** All of them: what one of them does anywhere, this does. */
export const ALL_PAYLOADS = PAYLOADS.join(" ");

/** Texts that the service makes itself: codes, ids, stamps. Every other may hold anything. */
const CODES =
  /^(id|type|kind|state|status|method|topic|outcome|revision|media_type|currency|since|start|end|as_of|server_now|.*_at|.*_ids?)$/;

/** The same conversation about tasks and files with such names; the old words follow them. */
export async function poison(transcript: Transcript): Promise<Transcript> {
  const methods = new Map<string, string>();
  const messages = transcript.messages.map(async (recorded) => {
    const message = recorded.message as { kind: string; id: string; method: string; result: never };
    if (recorded.to === "service") {
      methods.set(message.id, message.method);
      return recorded;
    }
    const buffers = recorded.buffers ?? [];
    const method = message.kind === "result" ? methods.get(message.id) : undefined;
    if (method === "outputs.list" && buffers.length > 0) {
      const { meta, frame } = await poisonListing(message.result, buffers);
      return { to: "view", message: { ...message, result: words(meta) }, buffers: [toBase64(frame)] };
    }
    const poisoned = method === "tasks.all" ? await Promise.all(buffers.map(poisonTasks)) : buffers;
    return { to: "view", message: words(message), buffers: poisoned };
  });
  return { ...transcript, messages: await Promise.all(messages) };
}

/** Puts the payloads before each text that is no code, keys of notes among them. */
function words(value: unknown, key = ""): unknown {
  if (typeof value === "string") return CODES.test(key) ? value : `${ALL_PAYLOADS} ${value}`;
  if (Array.isArray(value)) return value.map((one) => words(one, key));
  if (value === null || typeof value !== "object") return value;
  const isNotes = key === "metadata";
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      isNotes ? `${ALL_PAYLOADS} ${name}` : name,
      words(one, name),
    ]),
  );
}

async function poisonListing(meta: never, [frame = ""]: readonly string[]) {
  const { names, sizes, packed } = await unpackListing(meta, fromBase64(frame));
  const files = Array.from(sizes, (size, i) => {
    const [, folder = "", base = ""] = /^(.*\/)?(.*)$/.exec(names.at(i)) ?? [];
    return { name: `${folder}${fileName(i)} ${base}`, size, packed: packed[i] ?? 0 };
  });
  const made = await packFrame(files);
  return { meta: { ...(meta as object), names_bytes: made.meta.names_bytes }, frame: made.frame };
}

/** A payload as the name of a file; the service sends signs for newlines. */
export function fileName(place: number): string {
  const payload = PAYLOADS[place % PAYLOADS.length] ?? "";
  return payload.replaceAll("/", "∕").replaceAll("\n", "␤");
}

async function poisonTasks(frame: string): Promise<string> {
  const columns = JSON.parse(new TextDecoder().decode(await gunzip(fromBase64(frame)))) as object;
  const poisoned = JSON.stringify(words(columns));
  return toBase64(await gzip(new TextEncoder().encode(poisoned)));
}
