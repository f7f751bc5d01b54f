// Talking to the server. All addresses are relative: the page may stand behind a proxy, under any path.

export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

// The page ends with its notebook's kernel. Then nobody answers, or what is between, in words that are not the page's.
function lost(why) {
  if (parent !== window) parent.postMessage("clipkit-no-answer", "*"); // the frame around it looks, and says what to do
  return new TypeError(why);
}

async function read(path, options) {
  for (let tries = 0; ; tries++) {
    const r = await fetch(path, options).catch((e) => { throw e instanceof TypeError ? lost(e.message) : e; });
    if (r.status === 503 && tries < 3) { // many ask at once: the server says when to come again
      await new Promise((go) => setTimeout(go, 1000 * (Number(r.headers.get("Retry-After")) || 1)));
      if (options?.signal?.aborted) throw options.signal.reason;
      continue;
    }
    const answer = await r.json().catch(() => {
      if (r.status >= 500) throw lost(r.status + " " + r.statusText);
      return { error: r.status + " " + r.statusText };
    });
    if (!r.ok) throw new Refused(r.status, answer.error);
    return answer;
  }
}

export const get = (path) => read(path);

export const post = (path, question, signal) =>
  read(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question), signal });

export const send = (blob) =>
  read("api/picture", { method: "POST", headers: { "Content-Type": blob.type || "application/octet-stream" }, body: blob });

// element makes one; text is never HTML.
export function element(kind, className, text) {
  const e = document.createElement(kind);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}
