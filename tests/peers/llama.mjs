// node llama.mjs NIBBLE DIR: quantizes the demo model to every preset with nibble, then reads the
// files with real programs. Exit 1 and one line per failure.
import {execFileSync} from "node:child_process";
import path from "node:path";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";
import {gguf} from "@huggingface/gguf";

const [nibble, dir] = process.argv.slice(2);
const presets = ["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S",
    "Q4_1", "Q4_0", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "IQ3_S", "IQ3_M"];
// Written with the importance matrix in tests/data.
const weighted = ["IQ3_XS", "IQ3_XXS", "Q2_K_S", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"];
const imatrix = path.resolve(process.env.PEER_DEMO, "../demo.imatrix.gguf");
// Types that no preset above writes: every layer of a Q8_0 file in one of them.
const types = ["iq4_nl", "iq4_xs", "mxfp4", "nvfp4", "tq1_0", "tq2_0", "q1_0"];
// So coarse that the words are a matter of luck: of them only the F32 file's first tokens count.
const coarse = ["tq1_0", "tq2_0", "q1_0"];
const prompt = "What is Q4_K?";
const texts = [prompt, " leading space", "Über naïve 𝄞 ﬁ 日本語 🙂", "tabs\tand\nlines\r\n", "1234567890 3.14",
    "<s> is text here", ""];
const count = 32;
let passed = 0, failed = 0;

function check(ok, what) {
    if (ok) passed++;
    else {
        failed++;
        console.error(`FAILED ${what}`);
    }
}

function same(a, b) {
    return JSON.stringify([...a]) === JSON.stringify([...b]);
}

function run(...args) {
    return JSON.parse(execFileSync(nibble, [...args, "--json"],
        {encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], timeout: 30_000}));
}

// Greedy tokens after the prompt: argmax by temperature 0 of the real llama.cpp. One thread: its
// workers spin at every barrier, which on a busy 2-core machine is minutes instead of a second.
async function greedy(model, ids) {
    const context = await model.createContext({contextSize: 512, batchSize: 512, threads: 1});
    const out = [];
    for await (const token of context.getSequence().evaluate(ids, {temperature: 0})) {
        out.push(token);
        if (out.length === count || model.isEogToken(token)) break;
    }
    await context.dispose();
    return out;
}

async function read(llama, preset) {
    const file = path.resolve(dir, `demo-${preset}.gguf`);
    const options = weighted.includes(preset) ? ["--imatrix", imatrix] : [];
    const report = run("quantize", "demo", "-t", preset, "-o", file, ...options);
    const {tensorInfos, metadata} = await gguf(file, {allowLocalFile: true});
    const names = (list) => list.map((t) => t.name).sort();
    check(same(names(tensorInfos), names(report.tensors)), `${preset}: tensor names differ`);
    check(metadata["general.architecture"] === "llama", `${preset}: architecture`);

    const model = await llama.loadModel({modelPath: file});
    for (const text of texts) {
        const theirs = model.tokenize(text), mine = run("tokenize", file, "-p", text).ids;
        check(same(theirs, mine), `${preset}: ${JSON.stringify(text)} is ${theirs} and ${mine}`);
    }
    const chat = "<s><|user|>" + prompt + "<|end|><|assistant|>";
    const ids = model.tokenize(chat, true);
    const mine = run("tokenize", file, "--special", "-p", chat).ids;
    check(same(ids, mine), `${preset}: the chat's prompt is ${ids} and ${mine}`);
    const theirs = await greedy(model, ids);
    check(theirs.length > 0, `${preset}: llama.cpp generated nothing`);
    if (preset === "F32") {
        const answer = run("chat", file, "-p", prompt, "-n", String(count)).answers[0];
        check(theirs.length === count && same(answer.ids, theirs),
            `F32: greedy tokens ${answer.ids} and ${theirs}`);
    }
    await model.dispose();
}

// llama.cpp must take the file and speak its weights. What nibble decodes the file to, as F32, tells
// which words those are: there both engines compute without 8-bit activations.
async function readType(llama, type) {
    const file = path.resolve(dir, `demo-${type}.gguf`), decoded = path.resolve(dir, `demo-${type}-f32.gguf`);
    run("quantize", "demo", "-t", "Q8_0", "--rule", `blk.*=${type}`, "-o", file);
    run("quantize", file, "-t", "F32", "--allow-requantize", "-o", decoded);
    const words = {};
    for (const name of [file, decoded]) {
        const model = await llama.loadModel({modelPath: name});
        const ids = model.tokenize("<s><|user|>" + prompt + "<|end|><|assistant|>", true);
        words[name] = (await greedy(model, ids)).slice(0, 8);
        await model.dispose();
    }
    const mine = run("chat", decoded, "-p", prompt, "-n", "8").answers[0].ids;
    check(words[decoded].length === 8 && same(mine, words[decoded]),
        `${type} decoded: greedy tokens ${mine} and ${words[decoded]}`);
    if (coarse.includes(type)) return;
    const quantized = run("chat", file, "-p", prompt, "-n", "8").answers[0].ids;
    check(same(words[file], words[decoded]) && same(quantized, words[decoded]),
        `${type}: greedy tokens ${quantized}, ${words[file]} and decoded ${words[decoded]}`);
}

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error});
for (const preset of [...presets, ...weighted]) {
    try {
        await read(llama, preset);
    } catch (error) {
        check(false, `${preset}: ${error.message}`);
    }
}
for (const type of types) {
    try {
        await readType(llama, type);
    } catch (error) {
        check(false, `${type}: ${error.message}`);
    }
}
console.log(`real peers: ${presets.length + weighted.length + types.length} files written by nibble read by llama.cpp and @huggingface/gguf`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
