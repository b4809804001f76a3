/**
 * A language server of a few lines that refuses the first request, knows two completions, repeats a message and works
 * without an end.
 * Its argument is a file for what it did.
 */

import { appendFileSync } from "node:fs";

let requests = 0;
let rest = Buffer.alloc(0);

process.stdin.on("data", (chunk) => {
  rest = Buffer.concat([rest, chunk]);
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    const length = Number(/Content-Length: (\d+)/i.exec(rest.subarray(0, end).toString())?.[1]);
    if (end < 0 || rest.length < end + 4 + length) {
      return;
    }
    const message = JSON.parse(rest.subarray(end + 4, end + 4 + length).toString());
    rest = rest.subarray(end + 4 + length);
    handle(message);
  }
});

function handle({ id, method, params }) {
  if (method === "initialize") {
    const capabilities = { textDocumentSync: 2, inlineCompletionProvider: {} };
    send({ id, result: { capabilities } });
  } else if (method === "initialized") {
    send({ id: "create", method: "window/workDoneProgress/create", params: { token: "work" } });
    const begin = { kind: "begin", title: "cg2ls: work without an end", percentage: 0 };
    send({ method: "$/progress", params: { token: "work", value: begin } });
    const message = { type: 1, message: "cg2ls: the same, twice" };
    send({ method: "window/showMessage", params: message });
    send({ method: "window/showMessage", params: message });
    const status = { state: "ready", message: "two-answers is ready.", model: "two-answers" };
    send({ method: "cg2ls/status", params: status });
  } else if (method === "textDocument/inlineCompletion") {
    log(`asked ${["", "by hand", "automatically"][params.context.triggerKind]}`);
    answer(id, params.position);
  } else if (method === "shutdown") {
    send({ id, result: null });
  } else if (method === "exit") {
    process.exit(0);
  }
}

function answer(id, position) {
  requests++;
  if (requests === 1) {
    send({ id, error: { code: -32803, message: "The model is asleep." } });
    log("refused");
    return;
  }
  const range = { start: position, end: position };
  const items = ["first()", "second()"].map((insertText) => ({ insertText, range }));
  send({ id, result: { items } });
}

function send(message) {
  const body = JSON.stringify({ jsonrpc: "2.0", ...message });
  process.stdout.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function log(line) {
  appendFileSync(process.argv[2], `${line}\n`);
}
