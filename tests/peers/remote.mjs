// node remote.mjs NIBBLE DIR: an OpenAI-like endpoint on loopback that answers from a real llama.cpp
// context; nibble's greedy answer through it must be llama.cpp's own text, and the text that nibble
// gives from the file. Exit 1 and one line per failure.
import {execFile, execFileSync} from "node:child_process";
import http from "node:http";
import path from "node:path";
import {promisify} from "node:util";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [nibble, dir] = process.argv.slice(2);
const run = promisify(execFile);
const prompts = ["What is Q4_K?", "What is an importance matrix?", "Say ß and 日本."];
let passed = 0, failed = 0;

function check(ok, what) {
    if (ok) passed++;
    else {
        failed++;
        console.error(`FAILED ${what}`);
    }
}

const file = path.resolve(dir, "demo-F32.gguf");
execFileSync(nibble, ["quantize", "demo", "-t", "F32", "-o", file, "-q"], {timeout: 30_000});
const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: file});
const context = await model.createContext({contextSize: 512, batchSize: 512, threads: 1});
const said = []; // llama.cpp's texts, by request

// The model's own template, by hand as in llama.mjs.
function tokens(messages) {
    const text = messages.map((m) => `<|${m.role}|>${m.content}<|end|>`).join("");
    return model.tokenize(`<s>${text}<|assistant|>`, true);
}

// Greedy tokens as the text they add, with the probability of each.
async function* answer(ids, limit) {
    const sequence = context.getSequence(), made = [];
    let text = "";
    for await (const {token, confidence} of sequence.evaluateWithMetadata(ids, {confidence: true}, {temperature: 0})) {
        if (model.isEogToken(token)) break;
        made.push(token);
        const whole = model.detokenize(made);
        if (!whole.endsWith("\ufffd")) { // else a character is still to come
            yield {text: whole.slice(text.length), logprob: Math.log(confidence)};
            text = whole;
        }
        if (made.length === limit) break;
    }
    sequence.dispose();
    said.push({text, limited: made.length === limit});
}

async function complete(body, res) {
    const event = (data) => res.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
    res.writeHead(200, {"Content-Type": "text/event-stream"});
    let count = 0;
    for await (const {text, logprob} of answer(tokens(body.messages), body.max_tokens)) {
        count++;
        const piece = {token: text, logprob, bytes: [...Buffer.from(text)], top_logprobs: []};
        event({choices: [{delta: {content: text}, logprobs: {content: [piece]}, finish_reason: null}]});
    }
    event({choices: [{delta: {}, finish_reason: said.at(-1).limited ? "length" : "stop"}]});
    event({choices: [], usage: {prompt_tokens: tokens(body.messages).length, completion_tokens: count}});
    event("[DONE]");
    res.end();
}

const server = http.createServer((req, res) => {
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
        if (req.url === "/v1/models") {
            res.end(JSON.stringify({data: [{id: "demo"}]}));
            return;
        }
        complete(JSON.parse(Buffer.concat(parts)), res).catch((error) => {
            check(false, `the endpoint: ${error.message}`);
            res.destroy();
        });
    });
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const url = `http://127.0.0.1:${server.address().port}`; // nibble adds /v1 and finds the name

for (const prompt of prompts) {
    try {
        const {stdout} = await run(nibble, ["chat", file, url, "-p", prompt, "-n", "32", "--json"], {timeout: 60_000});
        const [local, remote] = JSON.parse(stdout).answers, theirs = said.at(-1);
        check(theirs.text.length > 0 && remote.text === theirs.text,
            `${prompt}: ${JSON.stringify(remote.text)} came, ${JSON.stringify(theirs.text)} was said`);
        check(remote.text === local.text && remote.first_difference === null,
            `${prompt}: ${JSON.stringify(remote.text)} remote, ${JSON.stringify(local.text)} local`);
        check(remote.stop === (theirs.limited ? "limit" : "end") && remote.remote === true && remote.ids.length === 0,
            `${prompt}: stop ${remote.stop}`);
        check(remote.prompt_tokens === local.prompt_tokens, `${prompt}: ${remote.prompt_tokens} prompt tokens`);
    } catch (error) {
        check(false, `${prompt}: ${error.message}`);
    }
}
server.close();
console.log(`real peers: ${prompts.length} answers of llama.cpp through an endpoint`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
