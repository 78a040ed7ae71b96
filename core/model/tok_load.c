/* GGUF tokenizer keys -> nb_tok. Whatever the file says of counts, types and ids is checked here
 * (A4); defaults are llama.cpp's (llama-vocab.cpp @ 00ad355, llama_vocab::impl::load). */
#include "core/model/tok_private.h"

#include <math.h>
#include <string.h>

#include "core/base/str.h"
#include "core/base/unicode.h"

enum { MAX_VOCAB = 1 << 20 }; /* reliability.md 4 */

static const uint8_t mark[3] = {0xe2, 0x96, 0x81}; /* U+2581, SentencePiece's space */

/* Spellings that end an answer whatever the file's keys say (llama-vocab.cpp, special_eog_ids with
 * the fill-in-the-middle tokens among them). */
static const char *const end_names[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>",
    "[e~[",
    "<|end_of_turn|>",
    "<|endofturn|>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
};

static size_t find_mark(const uint8_t *bytes, size_t n, size_t from)
{
    for (size_t i = from; i + sizeof mark <= n; i++)
        if (memcmp(bytes + i, mark, sizeof mark) == 0)
            return i;
    return n;
}

static const nb_kv *array_of(const nb_kvs *kvs, const char *key)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    return kv && kv->type == NB_KV_ARRAY ? kv : NULL;
}

static nb_status read_pieces(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *kv = array_of(kvs, "tokenizer.ggml.tokens");
    if (!kv || kv->elem != NB_KV_STRING)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: no array of strings");
    if (kv->n < 1 || kv->n > MAX_VOCAB)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: %llu tokens, expected 1..%d",
                       (unsigned long long)kv->n, MAX_VOCAB);
    if (kv->nbytes > UINT32_MAX)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: %llu bytes are too many",
                       (unsigned long long)kv->nbytes);
    t->n = (uint32_t)kv->n;
    t->text = nb_alloc(kv->nbytes + 1, 1, "tokenizer", err);
    t->at = nb_alloc(t->n + 1, sizeof *t->at, "tokenizer", err);
    if (!t->text || !t->at)
        return NB_NOMEM;
    const uint8_t *cursor = NULL;
    const char *s;
    size_t len;
    uint32_t i = 0, used = 0;
    for (; i < t->n && nb_kv_next_string(kv, &cursor, &s, &len); i++) {
        if (len > kv->nbytes - used)
            break;
        memcpy(t->text + used, s, len);
        t->at[i] = used;
        used += (uint32_t)len;
    }
    if (i < t->n)
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.tokens: cut short at token %u", i);
    t->at[i] = used;
    return NB_OK;
}

/* Element count and type agree with the tokens; absent (*out NULL) is fine. */
static nb_status numbers_of(const nb_tok *t, const nb_kvs *kvs, const char *key, const nb_kv **out,
                            nb_err *err)
{
    const nb_kv *kv = nb_kvs_find(kvs, key);
    if (kv && (kv->type != NB_KV_ARRAY || kv->elem == NB_KV_STRING || kv->elem == NB_KV_ARRAY))
        return nb_fail(err, NB_FORMAT, "%s: no array of numbers", key);
    if (kv && kv->n != t->n)
        return nb_fail(err, NB_FORMAT, "%s: %llu values for %u tokens", key,
                       (unsigned long long)kv->n, t->n);
    *out = kv;
    return NB_OK;
}

static nb_status read_numbers(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const nb_kv *scores, *kinds;
    NB_TRY(numbers_of(t, kvs, "tokenizer.ggml.scores", &scores, err));
    NB_TRY(numbers_of(t, kvs, "tokenizer.ggml.token_type", &kinds, err));
    t->score = nb_alloc(t->n, sizeof *t->score, "tokenizer", err);
    t->kind = nb_alloc(t->n, 1, "tokenizer", err);
    t->end = nb_alloc(t->n, 1, "tokenizer", err);
    if (!t->score || !t->kind || !t->end)
        return NB_NOMEM;
    for (uint32_t i = 0; i < t->n; i++) {
        double v = 0;
        if (scores && (!nb_kv_elem_num(scores, i, &v) || isnan(v) || fabs(v) > 3e38))
            return nb_fail(err, NB_FORMAT, "tokenizer.ggml.scores: token %u has no finite score",
                           i);
        t->score[i] = (float)v;
        v = NB_PIECE_NORMAL;
        if (kinds && (!nb_kv_elem_num(kinds, i, &v) || !(v >= 0 && v < NB_PIECE_KINDS)))
            return nb_fail(err, NB_FORMAT,
                           "tokenizer.ggml.token_type: token %u is of no known type", i);
        t->kind[i] = (uint8_t)v;
    }
    return NB_OK;
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<0x41>" -> 0x41; -1 when it is not spelled so. */
static int byte_of(const uint8_t *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0)
        return -1;
    return hex(s[3]) * 16 + hex(s[4]);
}

static bool looks_special(const uint8_t *s, size_t n)
{
    return n >= 4 && s[0] == '<' && s[1] == '|' && s[n - 2] == '|' && s[n - 1] == '>';
}

static bool ends_answer(const uint8_t *s, size_t n)
{
    if (n < 4 || (s[0] != '<' && s[0] != '[' && s[0] != '_'))
        return false;
    for (size_t i = 0; i < countof(end_names); i++)
        if (strlen(end_names[i]) == n && memcmp(s, end_names[i], n) == 0)
            return true;
    return false;
}

/* What a token is, whatever the file says. A user-defined <|x|> counts as control, as in
 * llama.cpp's converter, and so does what ends an answer, so that text cannot name it (A6); a
 * user-defined one with SentencePiece's space mark is an ordinary piece. */
static unsigned settled_kind(const nb_tok *t, unsigned kind, const uint8_t *s, size_t n)
{
    if (kind == NB_PIECE_NONE)
        kind = NB_PIECE_NORMAL;
    bool end = (kind == NB_PIECE_USER || kind == NB_PIECE_NORMAL) && ends_answer(s, n);
    if (kind == NB_PIECE_USER && (looks_special(s, n) || end))
        return NB_PIECE_CONTROL;
    if (end && looks_special(s, n))
        return NB_PIECE_CONTROL;
    if (kind == NB_PIECE_USER && t->model != NB_TOK_BPE && find_mark(s, n, 0) < n)
        return NB_PIECE_NORMAL;
    return kind;
}

/* Writes what a SentencePiece piece prints; returns its length. */
static uint32_t show_piece(nb_tok *t, bool word, const uint8_t *s, size_t n, uint8_t *out)
{
    uint32_t used = 0;
    bool after_text = false;
    for (size_t at = 0; at < n;) {
        bool space = word && n - at >= sizeof mark && memcmp(s + at, mark, sizeof mark) == 0;
        if (space && after_text)
            t->words_split = false;
        after_text = after_text || !space;
        out[used++] = space ? ' ' : s[at];
        at += space ? sizeof mark : 1;
    }
    return used;
}

/* Settles what each token is and how it prints. */
static nb_status settle(nb_tok *t, nb_err *err)
{
    t->shown = nb_alloc((uint64_t)t->at[t->n] + 1, 1, "tokenizer", err);
    t->shown_at = nb_alloc(t->n + 1, sizeof *t->shown_at, "tokenizer", err);
    if (!t->shown || !t->shown_at)
        return NB_NOMEM;
    memset(t->byte_id, 0xff, sizeof t->byte_id);
    t->words_split = true;
    uint32_t used = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const uint8_t *s = t->text + t->at[i];
        uint32_t n = t->at[i + 1] - t->at[i];
        t->kind[i] = (uint8_t)settled_kind(t, t->kind[i], s, n);
        bool word = t->kind[i] == NB_PIECE_NORMAL;
        t->shown_at[i] = used;
        if (t->kind[i] == NB_PIECE_BYTE) {
            int byte = byte_of(s, n);
            if (byte < 0)
                return nb_fail(err, NB_FORMAT,
                               "tokenizer.ggml.tokens: token %u is a byte but not spelled <0x00> "
                               "to <0xFF>",
                               i);
            t->byte_id[byte] = (int32_t)i;
            t->shown[used++] = (uint8_t)byte;
        } else if (word && t->model == NB_TOK_BPE) {
            used += nb_bpe_show(s, n, t->shown + used);
        } else {
            used += show_piece(t, word, s, n, t->shown + used);
        }
    }
    t->shown_at[t->n] = used;
    return NB_OK;
}

/* Key absent: `fallback` where the vocabulary has it, else none. */
static nb_status read_id(const nb_tok *t, const nb_kvs *kvs, const char *key, int32_t fallback,
                         int32_t *out, nb_err *err)
{
    uint64_t v;
    if (!nb_kvs_find(kvs, key)) {
        *out = fallback >= 0 && (uint32_t)fallback < t->n ? fallback : -1;
        return NB_OK;
    }
    if (!nb_kvs_uint(kvs, key, &v))
        return nb_fail(err, NB_FORMAT, "%s: no whole number", key);
    if (v >= t->n)
        return nb_fail(err, NB_FORMAT, "%s: %llu, but there are %u tokens", key,
                       (unsigned long long)v, t->n);
    *out = (int32_t)v;
    return NB_OK;
}

static nb_status read_flag(const nb_kvs *kvs, const char *key, bool fallback, bool *out,
                           nb_err *err)
{
    *out = fallback;
    if (nb_kvs_find(kvs, key) && !nb_kvs_bool(kvs, key, out))
        return nb_fail(err, NB_FORMAT, "%s: no bool", key);
    return NB_OK;
}

static void set_end(nb_tok *t, int32_t id)
{
    if (id >= 0)
        t->end[id] = 1;
}

/* OpenAI's harmony format ends its messages with <|end|> and goes on; only <|return|> and <|call|>
 * end the answer (and <|calls|> or <|flush|> in solar-open's). */
static void settle_ends(nb_tok *t)
{
    for (size_t i = 0; i < countof(end_names); i++)
        set_end(t, nb_tok_special(t, end_names[i]));
    bool calls = nb_tok_special(t, "<|call|>") >= 0 || nb_tok_special(t, "<|calls|>") >= 0;
    bool more = nb_tok_special(t, "<|return|>") >= 0 || nb_tok_special(t, "<|flush|>") >= 0;
    int32_t message = nb_tok_special(t, "<|end|>");
    if (calls && more && message >= 0)
        t->end[message] = 0;
}

typedef struct id_defaults {
    int32_t bos, eos, unk;
    bool add_bos, add_eos, add_space;
} id_defaults;

/* llama_vocab::impl::load of src/llama-vocab.cpp @ de3ff81. */
static id_defaults defaults_of(const nb_tok *t)
{
    if (t->model == NB_TOK_SPM)
        return (id_defaults){1, 2, 0, true, false, true};
    if (t->model == NB_TOK_UNIGRAM)
        return (id_defaults){-1, 1, 2, false, true, false};
    int32_t bos = t->pre->flags & NB_PRE_NO_BOS_ID ? -1 : 11;
    return (id_defaults){bos, 11, -1, (t->pre->flags & NB_PRE_BOS) != 0, false, false};
}

static nb_status read_ids(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    int32_t eot, eom;
    id_defaults d = defaults_of(t);
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.bos_token_id", d.bos, &t->bos, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.eos_token_id", d.eos, &t->eos, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.unknown_token_id", d.unk, &t->unk, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.eot_token_id", -1, &eot, err));
    NB_TRY(read_id(t, kvs, "tokenizer.ggml.eom_token_id", -1, &eom, err));
    NB_TRY(read_flag(kvs, "tokenizer.ggml.add_bos_token", d.add_bos, &t->add_bos, err));
    NB_TRY(read_flag(kvs, "tokenizer.ggml.add_eos_token", d.add_eos, &t->add_eos, err));
    NB_TRY(read_flag(kvs, "tokenizer.ggml.add_space_prefix", d.add_space, &t->add_space, err));
    NB_TRY(read_flag(kvs, "tokenizer.ggml.remove_extra_whitespaces", false, &t->merge_spaces, err));
    if (t->model == NB_TOK_BPE)
        t->add_space = false; /* has no such thing, whatever the key says */
    settle_ends(t);
    set_end(t, t->eos);
    set_end(t, eot);
    set_end(t, eom);
    return NB_OK;
}

/* tokenizer.ggml.model, and tokenizer.ggml.pre where that matters. */
static nb_status read_model(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const char *model, *pre = "default";
    size_t n, n_pre = strlen(pre);
    if (!nb_kvs_str(kvs, "tokenizer.ggml.model", &model, &n))
        return nb_fail(err, NB_UNSUPPORTED, "the model has no tokenizer (tokenizer.ggml.model)");
    bool unigram = n == 2 && memcmp(model, "t5", 2) == 0;
    if (unigram || (n == 5 && memcmp(model, "llama", 5) == 0)) {
        t->model = unigram ? NB_TOK_UNIGRAM : NB_TOK_SPM;
        return NB_OK;
    }
    if (n != 4 || memcmp(model, "gpt2", 4) != 0)
        return nb_fail(err, NB_UNSUPPORTED,
                       "tokenizer \"%.*s\": only \"llama\" and \"t5\" (SentencePiece) and "
                       "\"gpt2\" (byte-level BPE) run",
                       n > 40 ? 40 : (int)n, model);
    t->model = NB_TOK_BPE;
    if (nb_kvs_find(kvs, "tokenizer.ggml.pre") &&
        !nb_kvs_str(kvs, "tokenizer.ggml.pre", &pre, &n_pre))
        return nb_fail(err, NB_FORMAT, "tokenizer.ggml.pre: no string");
    t->pre = nb_pre_find(pre, n_pre);
    if (!t->pre)
        return nb_fail(err, NB_UNSUPPORTED,
                       "pre-tokenizer \"%.*s\" (tokenizer.ggml.pre) is unknown",
                       n_pre > 40 ? 40 : (int)n_pre, pre);
    return NB_OK;
}

/* Phi-3 was trained without white space behind its special tokens; no key says so, only the name
 * does (llama-vocab.cpp, per token attributes). */
static bool strips_behind(const nb_kvs *kvs)
{
    const char *name;
    size_t n;
    if (!nb_kvs_str(kvs, "general.name", &name, &n))
        return false;
    for (size_t i = 0; i + 4 <= n; i++) {
        bool phi =
            (name[i] | 0x20) == 'p' && (name[i + 1] | 0x20) == 'h' && (name[i + 2] | 0x20) == 'i';
        if (phi && (name[i + 3] == '3' || (i + 5 <= n && name[i + 3] == '-' && name[i + 4] == '3')))
            return true;
    }
    return false;
}

nb_status nb_tok_load(nb_tok *t, const nb_kvs *kvs, nb_err *err)
{
    const unsigned special = 1u << NB_PIECE_CONTROL | 1u << NB_PIECE_USER;
    NB_TRY(read_model(t, kvs, err));
    NB_TRY(read_pieces(t, kvs, err));
    NB_TRY(read_numbers(t, kvs, err));
    NB_TRY(settle(t, err));
    NB_TRY(nb_spell_build(&t->words, t, 1u << NB_PIECE_NORMAL, err));
    NB_TRY(nb_spell_build(&t->specials, t, special, err));
    NB_TRY(nb_specials_build(t, strips_behind(kvs), err));
    if (t->model == NB_TOK_BPE)
        NB_TRY(nb_bpe_load(t, kvs, err));
    if (t->model == NB_TOK_UNIGRAM)
        NB_TRY(nb_unigram_load(t, kvs, err));
    return read_ids(t, kvs, err);
}
