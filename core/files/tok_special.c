/* What surrounds a vocabulary in a Hugging Face directory: which ids are special, whether BOS and
 * EOS are added, and the chat template (gguf-py @ 0c1c9d3, SpecialVocab). As there, the names of
 * tokenizer_config.json come before the numbers of config.json; beyond it, special_tokens_map.json
 * and generation_config.json are asked last, lists of numbers count by their first, and the other
 * numbers of a list of eos are kept as eot and eom. */
#include "core/files/tok_json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum { MAX_DOCUMENT = 32 << 20, MAX_TEMPLATE = 1 << 20 };

typedef struct surroundings {
    nb_kvs *kvs;
    const char *dir;
    nb_json *tok, *map, *config, *generation; /* NULL: no such file */
    nb_err *err;
} surroundings;

static const nb_jval *root(const nb_json *doc)
{
    return doc ? nb_json_root(doc) : NULL;
}

static nb_status load(nb_json **doc, const surroundings *s, const char *name)
{
    char path[PATH_MAX];
    if (!nb_path_join(path, sizeof path, s->dir, name) || !nb_exists(path))
        return NB_OK;
    return nb_json_load(doc, path, MAX_DOCUMENT, s->err);
}

/* --- ids ----------------------------------------------------------------------------------------
 */

/* "x" or {"content": "x"}; NULL: neither. */
static const char *text_of(const nb_jval *v)
{
    const char *text = NULL;
    if (!nb_jstr(v, &text))
        nb_jstr(nb_jget(v, "content"), &text);
    return text;
}

static bool id_by_text(const nb_kvs *kvs, const char *want, uint32_t *id)
{
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    const uint8_t *at = NULL;
    const char *text;
    size_t n, n_want = want ? strlen(want) : 0;
    for (uint32_t i = 0; want && tokens && nb_kv_next_string(tokens, &at, &text, &n); i++)
        if (n == n_want && memcmp(text, want, n) == 0) {
            *id = i;
            return true;
        }
    return false;
}

static bool id_by_number(const nb_kvs *kvs, const nb_jval *v, uint32_t *id)
{
    const nb_kv *tokens = nb_kvs_find(kvs, "tokenizer.ggml.tokens");
    int64_t i;
    if (nb_jkind_of(v) == NB_JARRAY)
        v = nb_jfirst(v);
    if (!tokens || !nb_jint(v, &i) || i < 0 || (uint64_t)i >= tokens->n)
        return false;
    *id = (uint32_t)i;
    return true;
}

static const char *token_text(const surroundings *s, const char *name)
{
    const char *text = text_of(nb_jget(root(s->tok), name));
    return text ? text : text_of(nb_jget(root(s->map), name));
}

static nb_status put_ids(const surroundings *s)
{
    static const struct {
        const char *text, *number, *key;
    } row[] = {{"bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id"},
               {"eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
               {"unk_token", "unk_token_id", "tokenizer.ggml.unknown_token_id"},
               {"sep_token", "sep_token_id", "tokenizer.ggml.seperator_token_id"},
               {"pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id"},
               {"mask_token", "mask_token_id", "tokenizer.ggml.mask_token_id"}};
    const nb_jval *config = root(s->config);
    for (size_t i = 0; i < countof(row); i++) {
        uint32_t id;
        if (id_by_text(s->kvs, text_of(nb_jget(root(s->tok), row[i].text)), &id) ||
            id_by_text(s->kvs, text_of(nb_jget(root(s->map), row[i].text)), &id) ||
            id_by_number(s->kvs, nb_jget(config, row[i].number), &id) ||
            id_by_number(s->kvs, nb_jget(nb_jget(config, "text_config"), row[i].number), &id) ||
            id_by_number(s->kvs, nb_jget(root(s->generation), row[i].number), &id))
            NB_TRY(nb_kvs_put_u32(s->kvs, row[i].key, id, s->err));
    }
    return NB_OK;
}

/* Generation stops at every id of the list: the first two that are not eos become eot and eom. */
static nb_status put_more_ends(const surroundings *s)
{
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    const nb_jval *list = nb_jget(root(s->generation), "eos_token_id");
    uint64_t eos = UINT64_MAX;
    size_t used = 0;
    nb_kvs_uint(s->kvs, "tokenizer.ggml.eos_token_id", &eos);
    if (nb_jkind_of(list) != NB_JARRAY)
        return NB_OK;
    for (const nb_jval *v = nb_jfirst(list); v && used < countof(keys); v = nb_jnext(v)) {
        uint32_t id;
        if (id_by_number(s->kvs, v, &id) && id != eos)
            NB_TRY(nb_kvs_put_u32(s->kvs, keys[used++], id, s->err));
    }
    return NB_OK;
}

/* --- what is added ------------------------------------------------------------------------------
 */

/* The text of the special token at one end of a template, "" for a sequence. */
static const char *template_token(const nb_jval *step)
{
    const char *id = "";
    nb_jstr(nb_jget(nb_jget(step, "SpecialToken"), "id"), &id);
    return id;
}

/* TemplateProcessing's "single": <bos> A <eos>. A special token in front that is not BOS says that
 * none is added. */
static nb_status put_template_flags(const surroundings *s, const nb_jval *processor)
{
    const nb_jval *single = nb_jget(processor, "single");
    const nb_jval *first = nb_jfirst(single), *last = first;
    if (nb_jkind_of(single) != NB_JARRAY || nb_jlen(single) < 2)
        return NB_OK;
    for (const nb_jval *v = first; v; v = nb_jnext(v))
        last = v;
    const char *begin = template_token(first), *end = template_token(last);
    const char *bos = token_text(s, "bos_token"), *eos = token_text(s, "eos_token");
    if (*begin)
        NB_TRY(nb_kvs_put_bool(s->kvs, "tokenizer.ggml.add_bos_token",
                               bos && strcmp(begin, bos) == 0, s->err));
    if (*end)
        NB_TRY(nb_kvs_put_bool(s->kvs, "tokenizer.ggml.add_eos_token", eos && strcmp(end, eos) == 0,
                               s->err));
    return NB_OK;
}

static nb_status put_flags(const surroundings *s, const nb_json *post)
{
    static const struct {
        const char *json, *key;
    } row[] = {{"add_bos_token", "tokenizer.ggml.add_bos_token"},
               {"add_eos_token", "tokenizer.ggml.add_eos_token"},
               {"add_prefix_space", "tokenizer.ggml.add_space_prefix"}};
    const nb_jval *processor = root(post);
    const nb_jval *list = nb_jfirst(nb_jget(processor, "processors"));
    const char *type;
    for (const nb_jval *v = list ? list : processor; v; v = list ? nb_jnext(v) : NULL)
        if (nb_jstr(nb_jget(v, "type"), &type) && strcmp(type, "TemplateProcessing") == 0)
            NB_TRY(put_template_flags(s, v));
    for (size_t i = 0; i < countof(row); i++) {
        bool v;
        if (nb_jbool(nb_jget(root(s->tok), row[i].json), &v))
            NB_TRY(nb_kvs_put_bool(s->kvs, row[i].key, v, s->err));
    }
    return NB_OK;
}

/* --- chat template ------------------------------------------------------------------------------
 */

static nb_status put_text(const surroundings *s, const char *key, const char *text,
                          const char *from)
{
    if (strlen(text) > MAX_TEMPLATE)
        return nb_fail(s->err, NB_FORMAT, "%s/%s: chat_template over %d bytes", s->dir, from,
                       MAX_TEMPLATE);
    return nb_kvs_put_str(s->kvs, key, text, strlen(text), s->err);
}

/* A name that may end a key: tokenizer.chat_template.NAME. */
static bool plain_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n > 0 && n <= 40 && !name[n];
}

/* [{"name": "default", "template": "..."}, ...]: the others get keys of their own, and a list of
 * their names (gguf_writer.py, add_chat_template). */
static nb_status put_named(const surroundings *s, const nb_jval *list, const char *from)
{
    nb_str names = {0};
    nb_status st = NB_OK;
    size_t n = 0;
    for (const nb_jval *v = nb_jfirst(list); v && st == NB_OK; v = nb_jnext(v)) {
        const char *name, *text;
        char key[80] = "tokenizer.chat_template";
        if (!nb_jstr(nb_jget(v, "name"), &name) || !nb_jstr(nb_jget(v, "template"), &text) ||
            !plain_name(name))
            continue;
        if (strcmp(name, "default") != 0) {
            snprintf(key, sizeof key, "tokenizer.chat_template.%s", name);
            nb_kv_add_str(&names, name, strlen(name));
            n++;
        }
        st = put_text(s, key, text, from);
    }
    if (st == NB_OK && n > 0)
        st = nb_kvs_put_strs(s->kvs, "tokenizer.chat_templates", &names, n, s->err);
    nb_str_free(&names);
    return st;
}

static nb_status put_template(const surroundings *s)
{
    char path[PATH_MAX];
    nb_json *own = NULL;
    const char *from = "tokenizer_config.json", *text;
    const nb_jval *v = nb_jget(root(s->tok), "chat_template");
    if (nb_path_join(path, sizeof path, s->dir, "chat_template.jinja") && nb_exists(path)) {
        char *file;
        size_t n;
        NB_TRY(nb_file_read(&file, &n, path, MAX_TEMPLATE, s->err));
        nb_status st = nb_kvs_put_str(s->kvs, "tokenizer.chat_template", file, n, s->err);
        free(file);
        return st;
    }
    if (nb_jkind_of(v) == NB_JNULL) {
        from = "chat_template.json";
        NB_TRY(load(&own, s, from));
        v = nb_jget(root(own), "chat_template");
    }
    nb_status st = NB_OK;
    if (nb_jstr(v, &text))
        st = put_text(s, "tokenizer.chat_template", text, from);
    else if (nb_jkind_of(v) == NB_JARRAY)
        st = put_named(s, v, from);
    nb_json_close(&own);
    return st;
}

nb_status nb_tok_special_keys(nb_kvs *kvs, const char *dir, const nb_json *post, nb_err *err)
{
    surroundings s = {.kvs = kvs, .dir = dir, .err = err};
    nb_status st = load(&s.tok, &s, "tokenizer_config.json");
    if (st == NB_OK)
        st = load(&s.map, &s, "special_tokens_map.json");
    if (st == NB_OK)
        st = load(&s.config, &s, "config.json");
    if (st == NB_OK)
        st = load(&s.generation, &s, "generation_config.json");
    if (st == NB_OK)
        st = put_ids(&s);
    if (st == NB_OK)
        st = put_more_ends(&s);
    if (st == NB_OK)
        st = put_flags(&s, post);
    if (st == NB_OK)
        st = put_template(&s);
    nb_json_close(&s.tok);
    nb_json_close(&s.map);
    nb_json_close(&s.config);
    nb_json_close(&s.generation);
    return st;
}
