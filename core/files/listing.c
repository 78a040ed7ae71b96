#include "core/files/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/files/gguf.h"
#include "core/files/hf_private.h"

/* general.file_type: llama.h, enum llama_ftype (quant.md 1.1); +1024 = guessed by the writer. */
static const struct {
    uint32_t id;
    const char *name;
} file_types[] = {
    {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},     {9, "Q5_1"},
    {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"},  {14, "Q4_K_S"},
    {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}, {18, "Q6_K"},    {19, "IQ2_XXS"},
    {20, "IQ2_XS"}, {21, "Q2_K_S"}, {22, "IQ3_XS"}, {23, "IQ3_XXS"}, {24, "IQ1_S"},
    {25, "IQ4_NL"}, {26, "IQ3_S"},  {27, "IQ3_M"},  {28, "IQ2_S"},   {29, "IQ2_M"},
    {30, "IQ4_XS"}, {31, "IQ1_M"},  {36, "TQ1_0"},  {37, "TQ2_0"},   {38, "MXFP4_MOE"},
    {39, "NVFP4"},  {40, "Q1_0"},
};

void nb_listing_key(char out[96], const char *text, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n && len < 95; i++) {
        unsigned char ch = (unsigned char)text[i];
        if (ch >= 0x80 || (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
            (ch >= 'a' && ch <= 'z') || ch == '.')
            out[len++] = (char)(ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch);
    }
    out[len] = '\0';
}

void nb_listing_add_key(nb_listing *l, const char *text, size_t n)
{
    char key[96];
    nb_listing_key(key, text, n);
    for (size_t i = 0; i < NB_ENTRY_KEYS && key[0]; i++) {
        if (strcmp(l->key[i], key) == 0)
            return;
        if (!l->key[i][0]) {
            memcpy(l->key[i], key, sizeof key);
            return;
        }
    }
}

void nb_listing_copy(char *out, size_t cap, const char *s, size_t n)
{
    size_t len = n < cap ? n : cap - 1;
    memcpy(out, s, len);
    out[nb_utf8_whole(out, len)] = '\0';
}

static bool text_of(const nb_kvs *kvs, const char *key, char *out, size_t cap)
{
    const char *s;
    size_t n;
    if (!nb_kvs_str(kvs, key, &s, &n) || n == 0)
        return false;
    nb_listing_copy(out, cap, s, n);
    return true;
}

/* --- what the tensors say ----------------------------------------------------------------------
 */

void nb_tally_add(nb_tally *t, const nb_tensor *at, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const nk_type *type = nk_type_get(at[i].type);
        uint64_t count = nb_tensor_count(&at[i]);
        t->params += count;
        t->bytes += at[i].nbytes;
        if (at[i].n_dims > 1)
            t->weights[at[i].type] += count;
        if (!type->decode)
            t->unrunnable = type;
    }
}

void nb_tally_finish(nb_listing *l, const nb_tally *t, uint64_t file_type)
{
    nb_entry *e = &l->e;
    size_t top = NK_F32;
    for (size_t i = 0; i < NK_TYPE_SLOTS; i++)
        if (t->weights[i] > t->weights[top])
            top = i;
    const nk_type *type = nk_type_get((uint32_t)top);
    e->params = t->params;
    e->tensor_bytes = t->bytes;
    e->bpw = t->params ? (double)t->bytes * 8 / (double)t->params : 0;
    l->is_float = type->is_float;
    nb_listing_copy(e->type_name, sizeof e->type_name, type->name, strlen(type->name));
    for (size_t i = 0; i < countof(file_types) && !l->is_float; i++)
        if (file_types[i].id == (file_type & ~(uint64_t)1024))
            snprintf(e->type_name, sizeof e->type_name, "%s", file_types[i].name);
    if (t->unrunnable && !e->problem[0]) {
        e->unsupported = true;
        snprintf(e->problem, sizeof e->problem, "%s tensors cannot be run yet",
                 t->unrunnable->name);
    }
}

/* --- GGUF --------------------------------------------------------------------------------------
 */

void nb_listing_hparams(nb_entry *e, const nb_kvs *kvs)
{
    struct {
        const char *name;
        uint64_t *out;
    } row[] = {
        {"block_count", &e->n_layer},
        {"context_length", &e->n_ctx},
        {"embedding_length", &e->n_embd},
        {"feed_forward_length", &e->n_ff},
        {"attention.head_count", &e->n_head},
        {"attention.head_count_kv", &e->n_head_kv},
        {"attention.key_length", &e->head_dim},
        {"vocab_size", &e->n_vocab},
        {"rope.dimension_count", &e->n_rot},
        {"expert_count", &e->n_expert},
        {"expert_used_count", &e->n_expert_used},
        {"expert_feed_forward_length", &e->n_expert_ff},
        {"expert_shared_feed_forward_length", &e->n_shared_ff},
        {"attention.sliding_window", &e->window},
    };
    for (size_t i = 0; i < countof(row); i++) {
        char key[96];
        snprintf(key, sizeof key, "%s.%s", e->arch, row[i].name);
        nb_kvs_uint(kvs, key, row[i].out);
    }
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    if (!e->n_vocab && tokens && tokens->type == NB_KV_ARRAY)
        e->n_vocab = tokens->n;
    if (!e->n_head_kv)
        e->n_head_kv = e->n_head;
    if (!e->head_dim && e->n_head)
        e->head_dim = e->n_embd / e->n_head;
}

/* "nibble-demo-Q4_K_M.gguf" and "nibble-demo.q4_0.gguf" -> "nibble-demo". */
static size_t stem_length(const char *file)
{
    size_t prefix, n = strlen(file);
    uint32_t no, count;
    if (nb_gguf_split_name(file, &prefix, &no, &count))
        n = prefix;
    else if (nb_has_suffix(file, ".gguf"))
        n -= 5;
    for (size_t i = n; i-- > 1;) {
        if (file[i] != '-' && file[i] != '.')
            continue;
        char tail[24];
        nb_listing_copy(tail, sizeof tail, file + i + 1, n - i - 1);
        bool known = nk_type_find(tail) != NULL;
        for (size_t k = 0; k < countof(file_types) && !known; k++)
            known = nb_same_word(file_types[k].name, tail);
        return known ? i : n;
    }
    return n;
}

/* Whose quantization this is, as the writer tells: repository first, then name. */
static void read_base(nb_listing *l, const nb_kvs *kvs)
{
    char url[256];
    if (text_of(kvs, "general.base_model.0.repo_url", url, sizeof url)) {
        const char *repo = strrchr(url, '/');
        repo = repo ? repo + 1 : url;
        nb_listing_key(l->base, repo, strlen(repo));
        nb_listing_copy(l->base_name, sizeof l->base_name, repo, strlen(repo));
    }
    char name[128];
    if (text_of(kvs, "general.base_model.0.name", name, sizeof name)) {
        nb_listing_copy(l->base_name, sizeof l->base_name, name, strlen(name));
        if (!l->base[0])
            nb_listing_key(l->base, name, strlen(name));
    }
}

void nb_listing_check_arch(nb_entry *e)
{
    if (nb_hf_runs(e->arch))
        return;
    e->unsupported = true;
    if (e->problem[0])
        return;
    if (e->arch[0])
        snprintf(e->problem, sizeof e->problem, "architecture %s cannot be run yet", e->arch);
    else
        snprintf(e->problem, sizeof e->problem, "no architecture is named in the file");
}

static void read_identity(nb_listing *l, const nb_kvs *kvs)
{
    nb_entry *e = &l->e;
    char type[24];
    if (text_of(kvs, "general.type", type, sizeof type) && strcmp(type, "model") != 0) {
        l->skip = strcmp(type, "imatrix") == 0;
        e->unsupported = true;
        snprintf(e->problem, sizeof e->problem, "%s file, not a model of its own", type);
    }
    text_of(kvs, "general.architecture", e->arch, sizeof e->arch);
    if (text_of(kvs, "general.name", e->name, sizeof e->name))
        nb_listing_add_key(l, e->name, strlen(e->name));
    char base[96];
    if (text_of(kvs, "general.basename", base, sizeof base))
        nb_listing_add_key(l, base, strlen(base));
    read_base(l, kvs);
    nb_listing_check_arch(e);
}

/* One header's tensors; the first file's keys as well. */
static void read_header(nb_listing *l, nb_tally *t, uint64_t *file_type, const nb_gguf_info *info,
                        bool first)
{
    nb_tally_add(t, info->tensors, info->n_tensors);
    if (first) {
        read_identity(l, info->kvs);
        nb_listing_hparams(&l->e, info->kvs);
        nb_kvs_uint(info->kvs, "general.file_type", file_type);
    }
    for (size_t i = 0; i < info->n_tensors; i++)
        l->e.tied = l->e.tied && strcmp(info->tensors[i].name, "output.weight") != 0;
}

/* Adds one file's tensors; the first file also gives the keys. */
static nb_status read_file(nb_listing *l, nb_tally *t, uint64_t *file_type, const char *path,
                           bool first, nb_err *err)
{
    nb_map map;
    nb_gguf_info info;
    NB_TRY(nb_map_open(&map, path, err));
    nb_status st = nb_gguf_parse(&info, map.at, map.len, map.len, nb_path_base(path), err);
    if (first) {
        l->dev = map.dev;
        l->ino = map.ino;
    }
    l->e.bytes += map.len;
    if (st == NB_OK) {
        read_header(l, t, file_type, &info, first);
        nb_gguf_free(&info);
    }
    nb_map_close(&map);
    return st;
}

void nb_listing_gguf(nb_listing *l, const char *path)
{
    nb_entry *e = &l->e;
    nb_err err;
    size_t prefix = 0;
    uint32_t no = 1, count = 1;
    bool split = nb_gguf_split_name(path, &prefix, &no, &count);
    *l = (nb_listing){.e = {.tied = true}};
    nb_listing_copy(e->path, sizeof e->path, path, strlen(path));
    nb_listing_copy(e->file, sizeof e->file, nb_path_base(path), strlen(nb_path_base(path)));
    nb_tally t = {0};
    uint64_t file_type = UINT64_MAX;
    for (uint32_t i = 1; i <= count; i++) {
        char shard[sizeof e->path] = "";
        if (split)
            snprintf(shard, sizeof shard, "%.*s-%05u-of-%05u.gguf", (int)prefix, path, i, count);
        if (read_file(l, &t, &file_type, split ? shard : path, i == 1, &err) != NB_OK) {
            nb_short(e->problem, sizeof e->problem, err.msg);
            e->unsupported = err.status == NB_UNSUPPORTED;
            break;
        }
    }
    size_t stem = stem_length(e->file);
    nb_listing_add_key(l, e->file, stem);
    if (!e->name[0])
        nb_listing_copy(e->name, sizeof e->name, e->file, stem);
    nb_tally_finish(l, &t, file_type);
    if (t.params == 0 && !e->problem[0]) {
        e->unsupported = true;
        snprintf(e->problem, sizeof e->problem, "no tensors, only metadata");
    }
    e->tied = e->tied && t.params > 0;
    l->skip = l->skip || (split && no > 1);
}

void nb_entry_from_gguf(nb_entry *out, const nb_gguf_info *info, const char *file)
{
    nb_listing l = {.e = {.tied = true}};
    nb_tally t = {0};
    uint64_t file_type = UINT64_MAX;
    nb_listing_copy(l.e.file, sizeof l.e.file, nb_path_base(file), strlen(nb_path_base(file)));
    read_header(&l, &t, &file_type, info, true);
    nb_tally_finish(&l, &t, file_type);
    l.e.bytes = t.bytes;
    *out = l.e;
}
