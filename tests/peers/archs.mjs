// node archs.mjs NIBBLE ARCHS DIR: lets nibble's test program write a tiny model of every architecture and
// its logits, then evaluates the same tokens with llama.cpp. Exit 1 and one line per failure.
import {execFileSync} from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [, program, dir] = process.argv.slice(2);
// Relative to the largest logit. Both keep keys and values in F32 and quantize activations alike: where
// codes agree, so do sums but for their order. llama.cpp reads GELU from a table of F16 values, which
// nibble computes; and through 64 layers one code that a sum's last bit made differ grows (to 5 %, where
// the same model in F32 agrees to 1e-5).
function allowedFor({type, gelu, layers}) {
    if (type === "F32") return gelu ? 1e-3 : 1e-5;
    if (layers > 32) return 1e-1;
    return gelu ? 3e-2 : 1e-3;
}

let passed = 0, failed = 0;

function check(ok, what) {
    if (ok) passed++;
    else {
        failed++;
        console.error(`FAILED ${what}`);
    }
}

async function logitsOf(llama, file, ids, contextSize) {
    const model = await llama.loadModel({modelPath: file});
    const context = await model.createContext({contextSize, batchSize: contextSize, threads: 1,
        flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
    const input = ids.slice(0, -1);
    const last = [ids.at(-1), {generateNext: {logits: true}}];
    const results = await context.getSequence().controlledEvaluate([...input, last]);
    await context.dispose();
    await model.dispose();
    return results.at(-1).next.logits;
}

execFileSync(program, [dir], {stdio: ["ignore", "inherit", "inherit"], timeout: 60_000});
const {context, ids, models} = JSON.parse(fs.readFileSync(path.join(dir, "archs.json"), "utf8"));
const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error});
let worst = 0;
for (const model of models) {
    const {file, logits} = model;
    try {
        const theirs = await logitsOf(llama, path.resolve(dir, file), ids, context);
        const most = Math.max(...logits.map(Math.abs));
        const off = Math.max(...logits.map((x, i) => Math.abs(x - theirs.get(i)))) / most;
        const allowed = allowedFor(model);
        worst = Math.max(worst, off / allowed);
        check(theirs.size === logits.length && off <= allowed, `${file}: logits differ by ${off} of ${most}`);
        if (process.env.PEER_VERBOSE) console.log(`${file}: ${off.toExponential(2)}`);
    } catch (error) {
        check(false, `${file}: ${error.message}`);
    }
}
console.log(`real peers: ${models.length} tiny models of every architecture evaluated by llama.cpp, ` +
    `at most ${worst.toFixed(2)} of the allowed difference`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
