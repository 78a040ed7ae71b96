/* Keys and tensors of a shape, rows from a counter-based generator, written by the quantizer's own
 * engine: same tiles, same checks, same disk rules. */
#include "core/eval/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/model/model.h"
#include "core/quant/run.h"

static const nb_shape shapes[] = {
#define NB_SHAPE(...) {__VA_ARGS__},
#include "core/eval/shapes.def"
#undef NB_SHAPE
};

const nb_shape *nb_shapes(size_t *count)
{
    *count = countof(shapes);
    return shapes;
}

const nb_shape *nb_shape_find(const char *name)
{
    for (size_t i = 0; i < countof(shapes); i++)
        if (strcasecmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static nb_status put_arch_u32(nb_kvs *k, const nb_shape *s, const char *name, uint32_t v,
                              nb_err *err)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", s->arch, name);
    return nb_kvs_put_u32(k, key, v, err);
}

static nb_status put_arch_f32(nb_kvs *k, const nb_shape *s, const char *name, float v, nb_err *err)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", s->arch, name);
    return nb_kvs_put_f32(k, key, v, err);
}

static nb_status put_shape(nb_kvs *k, const nb_shape *s, nb_err *err)
{
    char name[96];
    snprintf(name, sizeof name, "synthetic %s", s->name);
    NB_TRY(nb_kvs_put_str(k, "general.architecture", s->arch, strlen(s->arch), err));
    NB_TRY(nb_kvs_put_str(k, "general.name", name, strlen(name), err));
    NB_TRY(put_arch_u32(k, s, "block_count", s->n_layer, err));
    NB_TRY(put_arch_u32(k, s, "context_length", s->n_ctx, err));
    NB_TRY(put_arch_u32(k, s, "embedding_length", s->n_embd, err));
    NB_TRY(put_arch_u32(k, s, "feed_forward_length", s->n_ff, err));
    NB_TRY(put_arch_u32(k, s, "attention.head_count", s->n_head, err));
    NB_TRY(put_arch_u32(k, s, "attention.head_count_kv", s->n_head_kv, err));
    const nb_arch *arch = nb_arch_find(s->arch);
    bool mean = arch && (arch->flags & NB_ARCH_LAYER_NORM);
    NB_TRY(put_arch_f32(k, s,
                        mean ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
                        s->rms_eps, err));
    if (s->n_expert) {
        NB_TRY(put_arch_u32(k, s, "expert_count", s->n_expert, err));
        NB_TRY(put_arch_u32(k, s, "expert_used_count", s->n_expert_used, err));
        NB_TRY(put_arch_u32(k, s, "expert_feed_forward_length", s->n_expert_ff, err));
    }
    NB_TRY(put_arch_u32(k, s, "attention.key_length", s->head_dim, err));
    NB_TRY(put_arch_u32(k, s, "attention.value_length", s->head_dim, err));
    NB_TRY(put_arch_u32(k, s, "rope.dimension_count", s->head_dim, err));
    NB_TRY(put_arch_f32(k, s, "rope.freq_base", s->rope_base, err));
    return put_arch_u32(k, s, "vocab_size", s->n_vocab, err);
}

enum { /* tokenizer.ggml.token_type (llama.h, enum llama_token_type) */
       TOKEN_NORMAL = 1,
       TOKEN_UNKNOWN = 2,
       TOKEN_CONTROL = 3,
       TOKEN_BYTE = 6,
       N_SPECIAL = 3, /* <unk> <s> </s> */
       N_BYTES = 256,
       PIECE_CAP = 16,
};

/* The i-th ordinary piece: printable ASCII, then every run of 1, 2, 3 ... lower-case letters with
 * the word-start mark U+2581 and, from two letters on, without it. Unique for every i. */
static void piece_text(uint32_t i, char out[PIECE_CAP])
{
    enum { FIRST = '!', LAST = '~', N_ASCII = LAST - FIRST + 1 };
    static const char mark[] = "\xe2\x96\x81";
    if (i < N_ASCII) {
        snprintf(out, PIECE_CAP, "%c", (char)(FIRST + i));
        return;
    }
    i -= N_ASCII;
    if (i == 0) {
        snprintf(out, PIECE_CAP, "%s", mark);
        return;
    }
    i--;
    for (uint32_t len = 1, count = 26;; len++, count *= 26) {
        bool marked = i < count;
        if (!marked && (len == 1 || i >= 2 * count)) {
            i -= len == 1 ? count : 2 * count;
            continue;
        }
        uint32_t rest = marked ? i : i - count;
        size_t at = marked ? strlen(mark) : 0;
        memcpy(out, mark, at);
        out[at + len] = '\0';
        for (uint32_t k = len; k > 0; k--, rest /= 26)
            out[at + k - 1] = (char)('a' + rest % 26);
        return;
    }
}

static void token_text(uint32_t id, char out[PIECE_CAP], int32_t *type, float *score)
{
    static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
    *score = 0;
    if (id < N_SPECIAL) {
        snprintf(out, PIECE_CAP, "%s", special[id]);
        *type = id == 0 ? TOKEN_UNKNOWN : TOKEN_CONTROL;
    } else if (id < N_SPECIAL + N_BYTES) {
        snprintf(out, PIECE_CAP, "<0x%02X>", id - N_SPECIAL);
        *type = TOKEN_BYTE;
    } else {
        piece_text(id - N_SPECIAL - N_BYTES, out);
        *type = TOKEN_NORMAL;
        *score = -(float)(id - N_SPECIAL - N_BYTES);
    }
}

static void add_le64(nb_str *s, uint64_t v)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    nb_str_addn(s, b, sizeof b);
}

static nb_status put_tokens(nb_kvs *k, uint32_t n, float *scores, int32_t *types, nb_err *err)
{
    nb_str tokens = {0};
    for (uint32_t id = 0; id < n; id++) {
        char text[PIECE_CAP];
        token_text(id, text, &types[id], &scores[id]);
        add_le64(&tokens, strlen(text));
        nb_str_add(&tokens, text);
    }
    nb_kv kv = {.key = "tokenizer.ggml.tokens",
                .type = NB_KV_ARRAY,
                .elem = NB_KV_STRING,
                .n = n,
                .v.bytes = (const uint8_t *)tokens.at,
                .nbytes = tokens.len};
    nb_status st = tokens.failed ? nb_fail(err, NB_NOMEM, "vocabulary: no memory for %u tokens", n)
                                 : nb_kvs_put(k, &kv, true, err);
    nb_str_free(&tokens);
    NB_TRY(st);
    NB_TRY(nb_kvs_put_f32s(k, "tokenizer.ggml.scores", scores, n, err));
    return nb_kvs_put_i32s(k, "tokenizer.ggml.token_type", types, n, err);
}

/* A SentencePiece vocabulary that can spell every byte, so that any text tokenizes. */
static nb_status put_vocabulary(nb_kvs *k, const nb_shape *s, nb_err *err)
{
    NB_TRY(nb_kvs_put_str(k, "tokenizer.ggml.model", "llama", 5, err));
    NB_TRY(nb_kvs_put_str(k, "tokenizer.ggml.pre", "default", 7, err));
    float *scores = nb_alloc(s->n_vocab, sizeof *scores, "vocabulary", err);
    int32_t *types = nb_alloc(s->n_vocab, sizeof *types, "vocabulary", err);
    nb_status st = scores && types ? put_tokens(k, s->n_vocab, scores, types, err) : NB_NOMEM;
    free(scores);
    free(types);
    NB_TRY(st);
    NB_TRY(nb_kvs_put_u32(k, "tokenizer.ggml.bos_token_id", 1, err));
    NB_TRY(nb_kvs_put_u32(k, "tokenizer.ggml.eos_token_id", 2, err));
    NB_TRY(nb_kvs_put_u32(k, "tokenizer.ggml.unknown_token_id", 0, err));
    NB_TRY(nb_kvs_put_bool(k, "tokenizer.ggml.add_bos_token", true, err));
    return nb_kvs_put_bool(k, "tokenizer.ggml.add_eos_token", false, err);
}

/* --- tensors -----------------------------------------------------------------------------------
 */

typedef struct tensor_list {
    nb_tensor *t;
    char (*name)[NB_MAX_NAME + 1];
    size_t n;
} tensor_list;

static void add_tensor(tensor_list *l, const nb_hparams *hp, nb_slot slot, uint32_t layer)
{
    const nb_slot_row *row = nb_slot_of(slot);
    uint64_t cols = nb_hparams_side(hp, row->side[0]), rows = nb_hparams_side(hp, row->side[1]),
             depth = nb_hparams_side(hp, row->side[2]);
    char *out = l->name[l->n];
    nb_slot_name(slot, layer, out);
    l->t[l->n++] = (nb_tensor){.name = out,
                               .type = NK_F32,
                               .n_dims = depth > 1  ? 3
                                         : rows > 1 ? 2
                                                    : 1,
                               .shape = {cols, rows, depth, 1}};
}

/* What the architecture must have, and an output of its own unless tied. */
static void list_tensors(tensor_list *l, const nb_shape *s, const nb_hparams *hp)
{
    for (int slot = 0; slot < NB_SLOT_LAYER; slot++)
        if (slot == NB_OUTPUT ? !s->tied : nb_slot_required((nb_slot)slot, hp->features))
            add_tensor(l, hp, (nb_slot)slot, 0);
    for (uint32_t i = 0; i < s->n_layer; i++)
        for (int slot = NB_SLOT_LAYER; slot < NB_SLOT_COUNT; slot++)
            if (nb_slot_required((nb_slot)slot, hp->features))
                add_tensor(l, hp, (nb_slot)slot, i);
}

uint64_t nb_shape_params(const nb_shape *s)
{
    nb_kvs *kvs;
    nb_hparams hp;
    uint64_t n = 0;
    if (nb_kvs_open(&kvs, NULL) != NB_OK)
        return 0;
    bool known = put_shape(kvs, s, NULL) == NB_OK && nb_hparams_read(&hp, kvs, NULL) == NB_OK;
    for (int slot = 0; known && slot < NB_SLOT_COUNT; slot++) {
        const nb_slot_row *row = nb_slot_of((nb_slot)slot);
        uint64_t elements = 1;
        for (int i = 0; i < 3; i++)
            elements *= nb_hparams_side(&hp, row->side[i]);
        if (slot == NB_OUTPUT ? !s->tied : nb_slot_required((nb_slot)slot, hp.features))
            n += elements * (slot < NB_SLOT_LAYER ? 1 : s->n_layer);
    }
    nb_kvs_close(&kvs);
    return n;
}

/* --- values ------------------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t x) /* splitmix64's finaliser */
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Sum of four 16-bit uniforms: standard deviation 65536 / sqrt(3), bell-shaped, ends at 3.46. */
static float bell(uint64_t bits)
{
    int32_t sum =
        (int32_t)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
    return (float)(sum - 131070) * (0.02f / 37837.2f);
}

/* Element i depends on seed, name and i alone. Norms lie around 1. */
static void random_rows(void *ud, const nb_planned *t, const char *name, uint64_t first, float *dst,
                        size_t n)
{
    uint64_t key = *(const uint64_t *)ud;
    (void)t;
    for (const char *p = name; *p; p++)
        key = mix(key ^ (uint8_t)*p) + 0x9e3779b97f4a7c15u;
    float base = strstr(name, "_norm.") ? 1.0f : 0.0f;
    for (size_t i = 0; i < n; i++)
        dst[i] = base + bell(mix(key + (first + i) * 0x9e3779b97f4a7c15u));
}

/* --- writing -----------------------------------------------------------------------------------
 */

static nb_status plan_shape(nb_plan *plan, const nb_shape *s, const nb_recipe *r, const nb_kvs *kvs,
                            tensor_list *l, nb_err *err)
{
    nb_hparams hp;
    NB_TRY(nb_hparams_read(&hp, kvs, err));
    uint64_t room = NB_SLOT_LAYER + (uint64_t)s->n_layer * (NB_SLOT_COUNT - NB_SLOT_LAYER);
    l->t = nb_alloc(room, sizeof *l->t, "tensor list", err);
    l->name = nb_alloc(room, sizeof *l->name, "tensor list", err);
    if (!l->t || !l->name)
        return NB_NOMEM;
    list_tensors(l, s, &hp);
    return nb_plan_make_shapes(plan, r, kvs, l->t, l->n, err);
}

static nb_status check_shape(const nb_shape *s, nb_err *err)
{
    bool sane = s->n_layer && s->n_embd && s->n_head && s->n_head_kv && s->head_dim && s->n_ff &&
                s->n_layer < 10000 && s->n_head % s->n_head_kv == 0;
    if (!sane)
        return nb_fail(err, NB_USAGE, "shape %s is not a model", s->name);
    if (s->n_vocab < N_SPECIAL + N_BYTES)
        return nb_fail(err, NB_USAGE, "shape %s: vocabulary of %u, at least %d to spell every byte",
                       s->name, s->n_vocab, N_SPECIAL + N_BYTES);
    return NB_OK;
}

nb_status nb_synth_write(const nb_shape *shape, const nb_recipe *r, uint64_t seed, const char *path,
                         bool force, const nk_ops *ops, nk_pool *pool, uint64_t *file_bytes,
                         const nb_hooks *hooks, nb_err *err)
{
    nb_quantize_options opt = {.force = force};
    tensor_list list = {0};
    nb_plan plan = {0};
    nb_run *run = NULL;
    nb_kvs *kvs;
    NB_TRY(check_shape(shape, err));
    NB_TRY(nb_kvs_open(&kvs, err));
    nb_status st = put_shape(kvs, shape, err);
    if (st == NB_OK)
        st = put_vocabulary(kvs, shape, err);
    if (st == NB_OK)
        st = plan_shape(&plan, shape, r, kvs, &list, err);
    if (st == NB_OK)
        st = nb_run_open_rows(&run, &plan, path, &opt, random_rows, &seed, err);
    if (st == NB_OK)
        st = nb_run_go_pool(run, ops, pool, hooks, err);
    if (st == NB_OK)
        *file_bytes = plan.file_bytes;
    nb_run_close(&run);
    nb_plan_free(&plan);
    free(list.t);
    free(list.name);
    nb_kvs_close(&kvs);
    return st;
}
