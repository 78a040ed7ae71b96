/* The reader of tokenizer.json. The vocabulary, the merges and the added tokens, which are most of
 * it, are pulled token by token; what says how text is prepared is small and read as trees. */
#include "core/files/tok_json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TREE = 4 << 20, MAX_PIECE = 65535, MAX_MERGES = 1 << 22 };

static const float added_score = -1000.0f;

typedef struct reader {
    nb_tok_json *t;
    nb_jpull p;
    const char *path;
    nb_err *err;
} reader;

void nb_tok_json_close(nb_tok_json *t)
{
    nb_str_free(&t->bytes);
    nb_str_free(&t->merges);
    free(t->entry);
    nb_json_close(&t->normalizer);
    nb_json_close(&t->pre);
    nb_json_close(&t->post);
    nb_json_close(&t->decoder);
    *t = (nb_tok_json){.unk_id = UINT64_MAX};
}

/* What the pull reader found wrong, or else that this is not what belongs here. */
static nb_status wrong(reader *r, const char *where, const char *expected)
{
    if (r->p.status != NB_OK)
        return r->p.status;
    return nb_fail(r->err, NB_FORMAT, "%s: %s: expected %s at byte %zu", r->path, where, expected,
                   (size_t)(r->p.at - r->p.start));
}

static nb_status no_memory(const char *path, nb_err *err)
{
    return nb_fail(err, NB_NOMEM, "%s: not enough memory for its tokens", path);
}

/* --- tokens -------------------------------------------------------------------------------------
 */

/* Room for the id; *out is its entry. */
static nb_status entry_of(nb_tok_json *t, uint64_t id, nb_tok_entry **out, const char *path,
                          nb_err *err)
{
    if (id >= NB_TOK_MAX_VOCAB)
        return nb_fail(err, NB_FORMAT, "%s: token id %llu, limit %d", path, (unsigned long long)id,
                       NB_TOK_MAX_VOCAB);
    if (id >= t->cap) {
        size_t cap = t->cap ? t->cap : 1024;
        while (cap <= id)
            cap *= 2;
        nb_tok_entry *more = realloc(t->entry, cap * sizeof *more);
        if (!more)
            return no_memory(path, err);
        memset(more + t->cap, 0, (cap - t->cap) * sizeof *more);
        t->entry = more;
        t->cap = cap;
    }
    if (id >= t->n)
        t->n = (size_t)id + 1;
    *out = &t->entry[id];
    return NB_OK;
}

static nb_status spell(nb_tok_json *t, nb_tok_entry *e, const char *text, size_t n,
                       const char *path, nb_err *err)
{
    if (n > MAX_PIECE)
        return nb_fail(err, NB_FORMAT, "%s: a token of %zu bytes, limit %d", path, n, MAX_PIECE);
    e->at = t->bytes.len;
    e->len = (uint32_t)n;
    nb_str_addn(&t->bytes, text, n);
    e->set = true;
    return t->bytes.failed ? no_memory(path, err) : NB_OK;
}

static nb_status set_token(reader *r, uint64_t id, const char *text, size_t n, float score)
{
    nb_tok_entry *e;
    NB_TRY(entry_of(r->t, id, &e, r->path, r->err));
    if (e->added)
        return NB_OK;
    if (e->set)
        return nb_fail(r->err, NB_FORMAT, "%s: two tokens have the id %llu", r->path,
                       (unsigned long long)id);
    e->score = score;
    e->type = NB_TOK_NORMAL;
    return spell(r->t, e, text, n, r->path, r->err);
}

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static bool ends(const char *s, const char *with)
{
    size_t n = strlen(s), k = strlen(with);
    return n >= k && strcmp(s + n - k, with) == 0;
}

bool nb_tok_looks_special(const char *s)
{
    static const char *const names[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    for (size_t i = 0; i < countof(names); i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return (starts(s, "<|") && ends(s, "|>") && strlen(s) >= 4) ||
           (starts(s, "<\xef\xbd\x9c") && ends(s, "\xef\xbd\x9c>") && strlen(s) >= 8) ||
           (starts(s, "<unused") && ends(s, ">"));
}

nb_status nb_tok_json_add(nb_tok_json *t, uint64_t id, const char *text, bool special,
                          const char *path, nb_err *err)
{
    static const char mark[] = "\xe2\x96\x81";
    nb_tok_entry *e;
    NB_TRY(entry_of(t, id, &e, path, err));
    special = special || nb_tok_looks_special(text);
    e->added = true;
    e->type = special ? NB_TOK_CONTROL : NB_TOK_USER;
    e->score = added_score;
    if (special || !strstr(text, mark))
        return spell(t, e, text, strlen(text), path, err);
    nb_str plain = {0}; /* searched for in text as it is typed: with spaces */
    for (const char *s = text; *s;) {
        bool space = starts(s, mark);
        nb_str_addn(&plain, space ? " " : s, 1);
        s += space ? strlen(mark) : 1;
    }
    nb_status st =
        plain.failed ? no_memory(path, err) : spell(t, e, nb_str_c(&plain), plain.len, path, err);
    nb_str_free(&plain);
    return st;
}

/* One of added_tokens, behind its {. */
static nb_status read_added_token(reader *r)
{
    uint64_t id = UINT64_MAX;
    bool special = false;
    nb_str text = {0};
    nb_status st = NB_OK;
    nb_jtoken k;
    while (st == NB_OK && (k = nb_jpull_next(&r->p)) == NB_JT_KEY) {
        const char *key = nb_str_c(&r->p.text);
        bool is_id = strcmp(key, "id") == 0, is_text = strcmp(key, "content") == 0;
        bool is_special = strcmp(key, "special") == 0;
        if (!is_id && !is_text && !is_special) {
            st = nb_jpull_skip(&r->p) ? NB_OK : wrong(r, "added_tokens", "a value");
            continue;
        }
        nb_jtoken v = nb_jpull_next(&r->p);
        if (is_id && !(v == NB_JT_NUMBER && nb_jpull_u64(&r->p, &id)))
            st = wrong(r, "added_tokens: id", "a whole number");
        else if (is_text && v != NB_JT_STRING)
            st = wrong(r, "added_tokens: content", "a string");
        else if (is_special && v != NB_JT_TRUE && v != NB_JT_FALSE)
            st = wrong(r, "added_tokens: special", "true or false");
        else if (is_special)
            special = v == NB_JT_TRUE;
        else if (is_text) {
            nb_str_clear(&text);
            nb_str_addn(&text, r->p.text.at, r->p.text.len);
        }
    }
    if (st == NB_OK && k != NB_JT_OBJECT_END)
        st = wrong(r, "added_tokens", "a key");
    if (st == NB_OK && text.failed) /* a text that is lost must not be one that is not there */
        st = no_memory(r->path, r->err);
    if (st == NB_OK && (id == UINT64_MAX || !text.len))
        st = wrong(r, "added_tokens", "id and content");
    if (st == NB_OK)
        st = nb_tok_json_add(r->t, id, nb_str_c(&text), special, r->path, r->err);
    nb_str_free(&text);
    return st;
}

static nb_status read_added(reader *r)
{
    nb_jtoken k = nb_jpull_next(&r->p);
    if (k == NB_JT_NULL)
        return NB_OK;
    if (k != NB_JT_ARRAY)
        return wrong(r, "added_tokens", "an array");
    while ((k = nb_jpull_next(&r->p)) == NB_JT_OBJECT)
        NB_TRY(read_added_token(r));
    return k == NB_JT_ARRAY_END ? NB_OK : wrong(r, "added_tokens", "an object");
}

/* {"spelling": id, ...}, behind its {. */
static nb_status read_vocab_object(reader *r)
{
    nb_str text = {0};
    nb_status st = NB_OK;
    nb_jtoken k;
    while (st == NB_OK && (k = nb_jpull_next(&r->p)) == NB_JT_KEY) {
        uint64_t id;
        nb_str_clear(&text);
        nb_str_addn(&text, r->p.text.at, r->p.text.len);
        if (text.failed)
            st = no_memory(r->path, r->err);
        else if (nb_jpull_next(&r->p) != NB_JT_NUMBER || !nb_jpull_u64(&r->p, &id))
            st = wrong(r, "model.vocab", "a token id");
        else
            st = set_token(r, id, nb_str_c(&text), text.len, 0);
    }
    if (st == NB_OK && k != NB_JT_OBJECT_END)
        st = wrong(r, "model.vocab", "a token");
    nb_str_free(&text);
    return st;
}

/* [["spelling", score], ...], behind its [. */
static nb_status read_vocab_array(reader *r)
{
    nb_jtoken k;
    r->t->scored = true;
    for (uint64_t id = 0; (k = nb_jpull_next(&r->p)) == NB_JT_ARRAY; id++) {
        double score;
        if (nb_jpull_next(&r->p) != NB_JT_STRING)
            return wrong(r, "model.vocab", "a spelling");
        NB_TRY(set_token(r, id, nb_str_c(&r->p.text), r->p.text.len, 0));
        if (nb_jpull_next(&r->p) != NB_JT_NUMBER || !nb_jpull_double(&r->p, &score) ||
            score > 1e30 || score < -1e30)
            return wrong(r, "model.vocab", "a score");
        if (!r->t->entry[id].added)
            r->t->entry[id].score = (float)score;
        if (nb_jpull_next(&r->p) != NB_JT_ARRAY_END)
            return wrong(r, "model.vocab", "]");
    }
    return k == NB_JT_ARRAY_END ? NB_OK : wrong(r, "model.vocab", "[spelling, score]");
}

static nb_status read_vocab(reader *r)
{
    nb_jtoken k = nb_jpull_next(&r->p);
    if (r->t->scored)
        return wrong(r, "model.vocab", "only one");
    return k == NB_JT_OBJECT  ? read_vocab_object(r)
           : k == NB_JT_ARRAY ? read_vocab_array(r)
                              : wrong(r, "model.vocab", "an object or an array");
}

/* --- merges -------------------------------------------------------------------------------------
 */

/* A space inside a part would end it: written as the byte character that a space is. */
static void add_part(nb_str *out, const nb_str *part)
{
    for (size_t i = 0; i < part->len; i++)
        nb_str_addn(out, part->at[i] == ' ' ? "\xc4\xa0" : &part->at[i],
                    part->at[i] == ' ' ? 2 : 1);
}

/* ["left", "right"], behind its [. */
static nb_status read_pair(reader *r, nb_str *out)
{
    nb_str_clear(out);
    if (nb_jpull_next(&r->p) != NB_JT_STRING)
        return wrong(r, "model.merges", "a string");
    add_part(out, &r->p.text);
    nb_str_addn(out, " ", 1);
    if (nb_jpull_next(&r->p) != NB_JT_STRING)
        return wrong(r, "model.merges", "a second string");
    add_part(out, &r->p.text);
    return nb_jpull_next(&r->p) == NB_JT_ARRAY_END ? NB_OK : wrong(r, "model.merges", "]");
}

static nb_status read_merges(reader *r)
{
    nb_str pair = {0};
    nb_status st = NB_OK;
    nb_jtoken k = nb_jpull_next(&r->p);
    if (k != NB_JT_ARRAY || r->t->has_merges)
        return wrong(r, "model.merges", "an array, once");
    r->t->has_merges = true;
    while (st == NB_OK && ((k = nb_jpull_next(&r->p)) == NB_JT_STRING || k == NB_JT_ARRAY)) {
        if (r->t->n_merges == MAX_MERGES)
            st = nb_fail(r->err, NB_FORMAT, "%s: more than %d merges", r->path, MAX_MERGES);
        else if (k == NB_JT_ARRAY)
            st = read_pair(r, &pair);
        if (st != NB_OK)
            break;
        const nb_str *merge = k == NB_JT_ARRAY ? &pair : &r->p.text;
        nb_kv_add_str(&r->t->merges, nb_str_c(merge), merge->len);
        r->t->n_merges++;
    }
    if (st == NB_OK && (pair.failed || r->t->merges.failed))
        st = no_memory(r->path, r->err);
    nb_str_free(&pair);
    return st != NB_OK || k == NB_JT_ARRAY_END ? st : wrong(r, "model.merges", "a merge");
}

/* --- the document -------------------------------------------------------------------------------
 */

static nb_status read_bool(reader *r, const char *key, bool *out)
{
    nb_jtoken k = nb_jpull_next(&r->p);
    if (k != NB_JT_TRUE && k != NB_JT_FALSE && k != NB_JT_NULL)
        return wrong(r, key, "true or false");
    *out = k == NB_JT_TRUE;
    return NB_OK;
}

static nb_status read_model_key(reader *r)
{
    const char *key = nb_str_c(&r->p.text);
    if (strcmp(key, "vocab") == 0)
        return read_vocab(r);
    if (strcmp(key, "merges") == 0)
        return read_merges(r);
    if (strcmp(key, "byte_fallback") == 0)
        return read_bool(r, "model.byte_fallback", &r->t->byte_fallback);
    if (strcmp(key, "ignore_merges") == 0)
        return read_bool(r, "model.ignore_merges", &r->t->ignore_merges);
    if (strcmp(key, "unk_id") == 0) {
        nb_jtoken k = nb_jpull_next(&r->p);
        if (k == NB_JT_NULL || (k == NB_JT_NUMBER && nb_jpull_u64(&r->p, &r->t->unk_id)))
            return NB_OK;
        return wrong(r, "model.unk_id", "a token id");
    }
    if (strcmp(key, "type") != 0)
        return nb_jpull_skip(&r->p) ? NB_OK : wrong(r, "model", "a value");
    if (nb_jpull_next(&r->p) != NB_JT_STRING)
        return wrong(r, "model.type", "a string");
    nb_short(r->t->type, sizeof r->t->type, nb_str_c(&r->p.text));
    return NB_OK;
}

static nb_status read_model(reader *r)
{
    nb_jtoken k = nb_jpull_next(&r->p);
    if (k != NB_JT_OBJECT)
        return wrong(r, "model", "an object");
    while ((k = nb_jpull_next(&r->p)) == NB_JT_KEY)
        NB_TRY(read_model_key(r));
    return k == NB_JT_OBJECT_END ? NB_OK : wrong(r, "model", "a key");
}

/* The value of the key just read, as a tree. */
static nb_status read_tree(reader *r, nb_json **out)
{
    const char *from = r->p.at;
    if (*out)
        return wrong(r, nb_str_c(&r->p.text), "only one");
    if (!nb_jpull_skip(&r->p))
        return wrong(r, "document", "a value");
    from = memchr(from, ':', (size_t)(r->p.at - from));
    if (!from)
        return wrong(r, "document", ":");
    from++;
    return nb_json_parse(out, from, (size_t)(r->p.at - from), MAX_TREE, r->path, r->err);
}

static nb_status read_key(reader *r)
{
    const char *key = nb_str_c(&r->p.text);
    if (strcmp(key, "added_tokens") == 0)
        return read_added(r);
    if (strcmp(key, "model") == 0)
        return read_model(r);
    if (strcmp(key, "normalizer") == 0)
        return read_tree(r, &r->t->normalizer);
    if (strcmp(key, "pre_tokenizer") == 0)
        return read_tree(r, &r->t->pre);
    if (strcmp(key, "post_processor") == 0)
        return read_tree(r, &r->t->post);
    if (strcmp(key, "decoder") == 0)
        return read_tree(r, &r->t->decoder);
    return nb_jpull_skip(&r->p) ? NB_OK : wrong(r, "document", "a value");
}

static nb_status read_document(reader *r)
{
    nb_jtoken k = nb_jpull_next(&r->p);
    if (k != NB_JT_OBJECT)
        return wrong(r, "document", "an object");
    while ((k = nb_jpull_next(&r->p)) == NB_JT_KEY)
        NB_TRY(read_key(r));
    if (k != NB_JT_OBJECT_END)
        return wrong(r, "document", "a key");
    return nb_jpull_next(&r->p) == NB_JT_END ? NB_OK : wrong(r, "document", "its end");
}

nb_status nb_tok_json_read(nb_tok_json *t, const char *bytes, size_t n, const char *path,
                           nb_err *err)
{
    *t = (nb_tok_json){.unk_id = UINT64_MAX};
    reader r = {.t = t, .path = path, .err = err};
    nb_jpull_open(&r.p, bytes, n, path, err);
    return nb_jpull_end(&r.p, read_document(&r));
}
