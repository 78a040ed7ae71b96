// node llama.mjs NIBBLE DIR: quantizes the demo model to every preset with nibble, then reads the
// files with real programs. Exit 1 and one line per failure.
import {execFileSync} from "node:child_process";
import path from "node:path";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";
import {gguf} from "@huggingface/gguf";

const [nibble, dir] = process.argv.slice(2);
const presets = ["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S",
    "Q4_1", "Q4_0", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K"];
const prompt = "What is Q4_K?";
const count = 32;
let passed = 0, failed = 0;

function check(ok, what) {
    if (ok) passed++;
    else {
        failed++;
        console.error(`FAILED ${what}`);
    }
}

function run(...args) {
    return JSON.parse(execFileSync(nibble, [...args, "--json"], {encoding: "utf8", stdio: ["ignore", "pipe", "inherit"]}));
}

// Greedy tokens after the prompt: argmax by temperature 0 of the real llama.cpp.
async function greedy(model, ids) {
    const context = await model.createContext({contextSize: 512, batchSize: 512});
    const sequence = context.getSequence();
    const out = [];
    for await (const token of sequence.evaluate(ids, {temperature: 0})) {
        out.push(token);
        if (out.length === count || model.isEogToken(token)) break;
    }
    await context.dispose();
    return out;
}

const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error});
for (const preset of presets) {
    const file = path.resolve(dir, `demo-${preset}.gguf`);
    const plan = run("quantize", "demo", "-t", preset, "-o", file);
    const {tensorInfos, metadata} = await gguf(file, {allowLocalFile: true});
    check(tensorInfos.length === plan.tensors.length, `${preset}: @huggingface/gguf sees ${tensorInfos.length} tensors`);
    check(metadata["general.architecture"] === "llama", `${preset}: architecture`);

    const model = await llama.loadModel({modelPath: file});
    const text = "<s><|user|>" + prompt + "<|end|><|assistant|>";
    const ids = model.tokenize(text, true);
    const mine = run("tokenize", file, "--special", "-p", text).ids;
    check(JSON.stringify([...ids]) === JSON.stringify(mine), `${preset}: token ids ${[...ids]} and ${mine}`);
    const theirs = await greedy(model, ids);
    check(theirs.length > 0, `${preset}: llama.cpp generated nothing`);
    if (preset === "F32") {
        const answer = run("chat", file, "-p", prompt, "-n", String(count)).answers[0];
        const n = Math.min(count, answer.ids.length, theirs.length);
        check(n > 16 && JSON.stringify(answer.ids.slice(0, n)) === JSON.stringify(theirs.slice(0, n)),
            `F32: greedy tokens ${answer.ids.slice(0, n)} and ${theirs.slice(0, n)}`);
    }
    await model.dispose();
}
await llama.dispose();
console.log(`real peers: ${presets.length} files written by nibble read by llama.cpp and @huggingface/gguf`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
