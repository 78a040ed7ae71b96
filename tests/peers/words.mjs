// node words.mjs NIBBLE DIR: for one name of every family of pre-tokenizers writes a vocabulary whose
// tokens are the bytes and all pairs of bytes, so that every place where words are cut shows in the
// ids, and compares nibble's with llama.cpp's on shaped random text. Exit 1 and one line per failure.
import {execFileSync} from "node:child_process";
import {writeFileSync} from "node:fs";
import path from "node:path";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const [nibble, dir] = process.argv.slice(2);
const families = ["default", "llama-bpe", "dbrx", "minicpm5", "qwen2", "bailingmoe", "qwen35", "laguna", "ufakzeka",
    "seed-coder", "gpt-2", "starcoder", "tekken", "gpt-4o", "granite-embed-multi-97m", "tiny_aya", "deepseek-llm",
    "deepseek-coder", "deepseek-v3", "afmoe", "falcon", "bloom", "viking", "jais-2", "youtu",
    "chameleon", "superbpe", "exaone-moe", "kimi-k2", "spark2_5"];
const bits = ["a", "s", "t", "re", "ve", "ll", "d", "S", "LL", "A", "BC", "'", "'s", "'LL", "’", "0", "12", "345",
    "6789", "²", "٣", "Ⅷ", "é", "É", "ß", "ǅ", "ʰ", "ω", "Ж", "中", "龥", "龦", "あ", "ア", "가", "ࠀ", "क", "ि", "́",
    " ", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", " ", "　", " ", "​", "!", "/", "//", "$", "+", "<", "`",
    "_", "~", "^", "|", ".", ",", "?", "-", "#", "(", "\"", "…", "。", "，", "‘", "～", "·", "€", "¬", "🚀", "🏽", "‍",
    "", "", "­", "", "𐐀", "𓀀", "𝟙"];
let passed = 0, failed = 0, seed = 1;

function random(n) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor(seed / 0x7fffffff * n * 0.9999999);
}

function text() {
    const first = random(bits.length), window = 1 + random(40), any = random(3) === 0;
    let out = "";
    for (let i = random(120); i >= 0; i--)
        out += bits[any ? random(bits.length) : (first + random(window)) % bits.length];
    return out;
}

// bytes_to_unicode of openai/gpt-2
function byteChars() {
    const out = [];
    for (let b = 0, next = 256; b < 256; b++)
        out.push(String.fromCodePoint((b > 32 && b < 127) || (b > 160 && b !== 173) ? b : next++));
    return out;
}

// A GGUF file of keys alone (ggml, docs/gguf.md).
function gguf(keys) {
    const parts = [];
    const u32 = (v) => { const b = Buffer.alloc(4); b.writeUInt32LE(v); parts.push(b); };
    const u64 = (v) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(v)); parts.push(b); };
    const str = (s) => { const b = Buffer.from(s); u64(b.length); parts.push(b); };
    parts.push(Buffer.from("GGUF"));
    u32(3);
    u64(0);
    u64(Object.keys(keys).length);
    for (const [key, value] of Object.entries(keys)) {
        str(key);
        if (typeof value === "string") { u32(8); str(value); }
        else if (typeof value === "number") { u32(4); u32(value); }
        else if (typeof value[0] === "string") { u32(9); u32(8); u64(value.length); value.forEach(str); }
        else { u32(9); u32(5); u64(value.length); value.forEach(u32); }
    }
    return Buffer.concat(parts);
}

const bytes = byteChars(), tokens = [...bytes], merges = [];
for (let i = 0; i < 65536; i++) { // in an order of no pattern: 40503 is odd
    const pair = i * 40503 % 65536, left = bytes[pair >> 8], right = bytes[pair & 255];
    tokens.push(left + right);
    merges.push(left + " " + right);
}

const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.disabled});
for (const pre of families) {
    const file = path.resolve(dir, "words.gguf");
    writeFileSync(file, gguf({"general.architecture": "gpt2", "gpt2.block_count": 1, "gpt2.context_length": 64,
        "gpt2.embedding_length": 8, "gpt2.feed_forward_length": 8, "gpt2.attention.head_count": 1,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre, "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": tokens.map(() => 1), "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 0}));
    let model;
    try {
        model = await llama.loadModel({modelPath: file, vocabOnly: true});
    } catch {
        console.log(`words: skipped: this llama.cpp does not know ${pre}`);
        continue;
    }
    for (let round = 0; round < 5; round++) {
        const s = text(), theirs = JSON.stringify([...model.tokenize(s)]);
        const mine = JSON.stringify(JSON.parse(execFileSync(nibble, ["tokenize", file, "--json"],
            {input: s, encoding: "utf8", timeout: 30_000})).ids);
        if (mine === theirs) passed++;
        else {
            failed++;
            console.error(`FAILED ${pre}: ${JSON.stringify(s)} is ${theirs} and ${mine}`);
        }
    }
    await model.dispose();
}
console.log(`words: ${passed} texts alike, ${failed} not`);
process.exit(failed ? 1 : 0);
