#include "core/files/tok_json.h"

#include <string.h>

enum { MERGED = 1 };

static const struct {
    const char *name;
    unsigned needs;
    const char *content;
} table[] = {
#define JSON_PRE(name, needs, content) {name, needs, content},
#include "core/files/tok_json_pre.def"
#undef JSON_PRE
};

/* --- the steps of a pipeline, sequences opened up ----------------------------------------------
 */

enum { DEPTH = 8 };
typedef struct walk {
    const nb_jval *at[DEPTH]; /* what comes next at each level */
    int depth;
    const char *list; /* key of a Sequence's steps */
    bool too_deep;
} walk;

static walk walk_make(const nb_json *doc, const char *list)
{
    const nb_jval *root = doc ? nb_json_root(doc) : NULL;
    return (walk){.at = {nb_jkind_of(root) == NB_JOBJECT ? root : NULL}, .depth = 1, .list = list};
}

/* The next step that is no Sequence, and its type; NULL at the end. */
static const nb_jval *next_step(walk *w, const char **type)
{
    while (w->depth > 0) {
        const nb_jval *step = w->at[w->depth - 1];
        if (!step) {
            w->depth--;
            continue;
        }
        w->at[w->depth - 1] = w->depth > 1 ? nb_jnext(step) : NULL;
        *type = "";
        nb_jstr(nb_jget(step, "type"), type);
        if (strcmp(*type, "Sequence") != 0)
            return step;
        if (w->depth == DEPTH) {
            w->too_deep = true;
            return NULL;
        }
        w->at[w->depth++] = nb_jfirst(nb_jget(step, w->list));
    }
    return NULL;
}

static const nb_jval *find_step(const nb_json *doc, const char *list, const char *wanted)
{
    walk w = walk_make(doc, list);
    const char *type;
    const nb_jval *step;
    while ((step = next_step(&w, &type)) && strcmp(type, wanted) != 0)
        continue;
    return step;
}

/* --- byte level ---------------------------------------------------------------------------------
 */

static bool flag(const nb_jval *step, const char *key, bool fallback)
{
    nb_jbool(nb_jget(step, key), &fallback);
    return fallback;
}

static bool is(const nb_jval *step, const char *key, const char *wanted)
{
    const char *s;
    return nb_jstr(nb_jget(step, key), &s) && strcmp(s, wanted) == 0;
}

/* The line of one step (tok_json_pre.def) is added to out. False: it is of no known kind. */
static bool describe(const nb_jval *step, const char *type, nb_str *out)
{
    const char *regex;
    bool invert = flag(step, "invert", false);
    if (strcmp(type, "ByteLevel") == 0) {
        if (flag(step, "use_regex", true))
            nb_str_add(out, "gpt2\n");
        return true;
    }
    if (strcmp(type, "Digits") == 0) {
        nb_str_add(out, flag(step, "individual_digits", false) ? "digit\n" : "digits\n");
        return true;
    }
    if (strcmp(type, "Punctuation") == 0) {
        nb_str_add(out, "punctuation\n");
        return is(step, "behavior", "Contiguous");
    }
    if (strcmp(type, "Split") != 0 || !nb_jstr(nb_jget(nb_jget(step, "pattern"), "Regex"), &regex))
        return false;
    nb_str_add(out, "split ");
    for (; *regex; regex++)
        nb_str_addn(out,
                    *regex == '\n'   ? "\\n"
                    : *regex == '\r' ? "\\r"
                                     : regex,
                    *regex == '\n' || *regex == '\r' ? 2 : 1);
    nb_str_add(out, "\n");
    return invert ? is(step, "behavior", "Removed") : is(step, "behavior", "Isolated");
}

static nb_status unsupported(const char *path, const char *part, const char *what, nb_err *err)
{
    char text[140];
    return nb_fail(err, NB_UNSUPPORTED, "%s: %s is not supported: %s", path, part,
                   nb_short(text, sizeof text, what));
}

/* Compositions of characters are left to the text, as in llama.cpp. */
static nb_status check_normalizer(const nb_tok_json *t, const char *path, nb_err *err)
{
    static const char *const harmless[] = {"NFC", "NFD", "NFKC", "NFKD"};
    walk w = walk_make(t->normalizer, "normalizers");
    const char *type;
    while (next_step(&w, &type)) {
        bool known = false;
        for (size_t i = 0; i < countof(harmless); i++)
            known = known || strcmp(type, harmless[i]) == 0;
        if (!known)
            return unsupported(path, "normalizer", type, err);
    }
    return w.too_deep ? unsupported(path, "normalizer", "nested sequences", err) : NB_OK;
}

static nb_status byte_level(const nb_tok_json *t, nb_tok_words *out, const char *path, nb_err *err)
{
    walk w = walk_make(t->pre, "pretokenizers");
    nb_str content = {0};
    const char *type;
    const nb_jval *step;
    bool known = true;
    NB_TRY(check_normalizer(t, path, err));
    while (known && (step = next_step(&w, &type))) {
        size_t had = content.len;
        known = describe(step, type, &content);
        if (!known && content.len == had)
            nb_str_add(&content, type);
    }
    known = known && !w.too_deep;
    const char *found = NULL;
    for (size_t i = 0; known && !found && i < countof(table); i++)
        if ((!(table[i].needs & MERGED) || t->ignore_merges) &&
            strcmp(table[i].content, nb_str_c(&content)) == 0)
            found = table[i].name;
    nb_status st = NB_OK;
    if (content.failed)
        st = nb_fail(err, NB_NOMEM, "%s: not enough memory", path);
    else if (!found)
        st = unsupported(path, "pre_tokenizer", content.len ? content.at : "nothing", err);
    nb_str_free(&content);
    *out = (nb_tok_words){.cut = NB_TOK_BYTE_LEVEL, .pre = found};
    return st;
}

/* --- marked spaces ------------------------------------------------------------------------------
 */

#define MARK "\xe2\x96\x81"

/* Whether text gets a space mark in front: Prepend, or Metaspace unless it says never. */
static bool prefixed(const nb_tok_json *t)
{
    const nb_jval *meta = find_step(t->pre, "pretokenizers", "Metaspace");
    if (find_step(t->normalizer, "normalizers", "Prepend"))
        return true;
    return meta && !is(meta, "prepend_scheme", "never") && flag(meta, "add_prefix_space", true);
}

nb_status nb_tok_json_words(const nb_tok_json *t, nb_tok_words *out, const char *path, nb_err *err)
{
    if (find_step(t->pre, "pretokenizers", "ByteLevel") ||
        find_step(t->decoder, "decoders", "ByteLevel"))
        return byte_level(t, out, path, err);
    const nb_jval *replace = find_step(t->normalizer, "normalizers", "Replace");
    if (!find_step(t->pre, "pretokenizers", "Metaspace") && !is(replace, "content", MARK))
        return unsupported(path, "pre_tokenizer", "neither ByteLevel nor Metaspace", err);
    *out = (nb_tok_words){.cut = NB_TOK_MARKED, .prefix = prefixed(t)};
    return NB_OK;
}

/* --- unigram ------------------------------------------------------------------------------------
 */

nb_status nb_tok_json_unigram(const nb_tok_json *t, nb_tok_unigram *out, const char *path,
                              nb_err *err)
{
    *out = (nb_tok_unigram){.prefix = prefixed(t)};
    walk w = walk_make(t->normalizer, "normalizers");
    const char *type;
    const nb_jval *step;
    while ((step = next_step(&w, &type))) {
        const nb_jval *pattern = nb_jget(step, "pattern");
        if (strcmp(type, "Precompiled") == 0)
            nb_jstr(nb_jget(step, "precompiled_charsmap"), &out->charsmap);
        else if (strcmp(type, "Replace") == 0 && is(pattern, "Regex", " {2,}"))
            out->merge_spaces = true;
        else if (strcmp(type, "Strip") != 0 && strcmp(type, "Prepend") != 0 &&
                 strcmp(type, "Replace") != 0)
            return unsupported(path, "normalizer", type, err);
    }
    if (w.too_deep)
        return unsupported(path, "normalizer", "nested sequences", err);
    if (find_step(t->pre, "pretokenizers", "WhitespaceSplit"))
        out->merge_spaces = true;
    if (!find_step(t->pre, "pretokenizers", "Metaspace"))
        return unsupported(path, "pre_tokenizer", "a unigram model without Metaspace", err);
    return NB_OK;
}
