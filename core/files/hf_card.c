/* Who a Hugging Face model is: general.* keys, as llama.cpp's converter derives them from the
 * folder's name, config.json and the model card (gguf-py/gguf/metadata.py). A card is README.md
 * with YAML between two lines of three dashes; of YAML only what cards use is read: `key: value`,
 * `key: [a, b]` and a list of `- item` lines. Everything else is stepped over. */
#include "core/files/hf_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"

enum { MAX_CARD = 4 << 20, MAX_VALUE = 255, MAX_ITEMS = 1000, MAX_BASES = 16 };

/* --- name ---------------------------------------------------------------------------------------
 */

static bool lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "v2.1" or anything that begins with a digit: a version or a size keeps its spelling. */
static bool is_version(const char *s, size_t n)
{
    if (n && digit(s[0]))
        return true;
    if (n < 2 || s[0] != 'v' || !digit(s[1]))
        return false;
    for (size_t i = 1; i < n; i++) /* s need not end behind n */
        if (!digit(s[i]) && s[i] != '.')
            return false;
    return digit(s[n - 1]);
}

/* One word of an id: in title case unless it has capitals of its own. */
static void add_word(nb_str *out, const char *s, size_t n)
{
    bool small = false, capital = false;
    for (size_t i = 0; i < n; i++) {
        small = small || lower(s[i]);
        capital = capital || upper(s[i]);
    }
    bool title = small && !capital && !is_version(s, n);
    for (size_t i = 0; i < n; i++) {
        bool begins = i == 0 || (!lower(s[i - 1]) && (uint8_t)s[i - 1] < 0x80);
        char c = title && begins && lower(s[i]) ? (char)(s[i] - 'a' + 'A') : s[i];
        nb_str_addn(out, &c, 1);
    }
}

/* "nibble-demo" -> "Nibble Demo". */
static void add_title(nb_str *out, const char *id, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = 0;
        while (i + len < n && id[i + len] != '-' && id[i + len] != ' ')
            len++;
        if (len && out->len)
            nb_str_add(out, " ");
        add_word(out, id + i, len);
        i += len + 1;
    }
}

static nb_status put_title(nb_kvs *kvs, const char *key, const char *id, size_t n, nb_err *err)
{
    nb_str name = {0};
    add_title(&name, id, n);
    nb_status st = NB_OK;
    if (name.failed)
        st = nb_fail(err, NB_NOMEM, "%s: no memory", key);
    else if (name.len)
        st = nb_kvs_put_str(kvs, key, name.at, name.len, err);
    nb_str_free(&name);
    return st;
}

/* The folder's own name; in the Hub's cache, where that is a commit, the repository's:
 * .../models--ORG--NAME/snapshots/COMMIT (hub.md 2). */
static const char *folder_name(const char *dir, char real[PATH_MAX])
{
    if (!realpath(dir, real))
        return nb_path_base(dir);
    char *base = strrchr(real, '/');
    static const char snapshots[] = "/snapshots", models[] = "models--";
    size_t n = (size_t)(base - real), tail = sizeof snapshots - 1;
    if (n > tail && memcmp(base - tail, snapshots, tail) == 0) {
        base[-(ptrdiff_t)tail] = '\0';
        const char *repo = nb_path_base(real), *last = NULL;
        if (strncmp(repo, models, sizeof models - 1) == 0)
            for (const char *at = repo; (at = strstr(at, "--")); at += 2)
                last = at + 2;
        if (last && *last)
            return last;
        base[-(ptrdiff_t)tail] = '/';
    }
    return base + 1;
}

/* --- the card -----------------------------------------------------------------------------------
 */

typedef struct text {
    const char *at;
    size_t n;
} text;

/* What the card says, before it becomes keys. */
typedef struct card {
    nb_kvs *kvs;
    nb_str tags, languages; /* encoded elements */
    text pipeline;          /* comes behind the tags */
    size_t n_tags, n_languages, n_bases;
    nb_err *err;
} card;

static text trim(text t)
{
    while (t.n && (*t.at == ' ' || *t.at == '\t')) {
        t.at++;
        t.n--;
    }
    while (t.n && (t.at[t.n - 1] == ' ' || t.at[t.n - 1] == '\t' || t.at[t.n - 1] == '\r'))
        t.n--;
    return t;
}

/* A scalar without quotes and comment; empty when it is nothing to keep. */
static text scalar(text t)
{
    t = trim(t);
    if (t.n >= 2 && (*t.at == '"' || *t.at == '\'') && t.at[t.n - 1] == *t.at)
        t = (text){t.at + 1, t.n - 2};
    else
        for (size_t i = 1; i < t.n; i++)
            if (t.at[i] == '#' && t.at[i - 1] == ' ')
                t = trim((text){t.at, i});
    for (size_t i = 0; i < t.n;) {
        uint32_t cp;
        size_t used = nb_utf8_next(t.at + i, t.n - i, &cp, NULL);
        if (!used || cp < 0x20 || cp == 0x7f)
            return (text){t.at, 0};
        i += used;
    }
    return t.n <= MAX_VALUE ? t : (text){t.at, 0};
}

static bool is(text t, const char *word)
{
    return t.n == strlen(word) && memcmp(t.at, word, t.n) == 0;
}

/* "org/name" or a URL: general.base_model.N.*; the library groups files by them. */
static nb_status add_base(card *c, text v)
{
    static const char hub[] = "https://huggingface.co/";
    char key[64], url[sizeof hub + MAX_VALUE];
    const char *slash = memchr(v.at, '/', v.n);
    unsigned no = (unsigned)c->n_bases;
    if (no == MAX_BASES)
        return NB_OK;
    if (v.n > 8 && (memcmp(v.at, "http://", 7) == 0 || memcmp(v.at, "https://", 8) == 0)) {
        snprintf(url, sizeof url, "%.*s", (int)v.n, v.at);
    } else if (slash && slash > v.at && slash + 1 < v.at + v.n) {
        size_t org = (size_t)(slash - v.at);
        snprintf(key, sizeof key, "general.base_model.%u.name", no);
        NB_TRY(put_title(c->kvs, key, slash + 1, v.n - org - 1, c->err));
        snprintf(key, sizeof key, "general.base_model.%u.organization", no);
        NB_TRY(put_title(c->kvs, key, v.at, org, c->err));
        snprintf(url, sizeof url, "%s%.*s", hub, (int)v.n, v.at);
    } else {
        snprintf(key, sizeof key, "general.base_model.%u.name", no);
        NB_TRY(put_title(c->kvs, key, v.at, v.n, c->err));
        url[0] = '\0';
    }
    snprintf(key, sizeof key, "general.base_model.%u.repo_url", no);
    if (url[0])
        NB_TRY(nb_kvs_put_str(c->kvs, key, url, strlen(url), c->err));
    c->n_bases++;
    return nb_kvs_put_u32(c->kvs, "general.base_model.count", (uint32_t)c->n_bases, c->err);
}

/* One value of a key, alone or of a list. */
static nb_status add_value(card *c, text key, text value)
{
    static const struct {
        const char *card, *gguf;
    } row[] = {{"license", "general.license"},
               {"license_name", "general.license_name"},
               {"license_link", "general.license_link"},
               {"name", "general.name"},
               {"model_name", "general.name"},
               {"size_label", "general.size_label"},
               {"author", "general.author"},
               {"model_author", "general.author"},
               {"model_creator", "general.author"},
               {"version", "general.version"},
               {"model_version", "general.version"},
               {"organization", "general.organization"},
               {"description", "general.description"},
               {"finetune", "general.finetune"},
               {"basename", "general.basename"},
               {"model_type", "general.basename"}};
    text v = scalar(value);
    if (v.n == 0)
        return NB_OK;
    for (size_t i = 0; i < countof(row); i++)
        if (is(key, row[i].card))
            return nb_kvs_put_str(c->kvs, row[i].gguf, v.at, v.n, c->err);
    if (is(key, "base_model"))
        return add_base(c, v);
    if (is(key, "pipeline_tag"))
        c->pipeline = v;
    if (is(key, "tags") && c->n_tags < MAX_ITEMS) {
        nb_kv_add_str(&c->tags, v.at, v.n);
        c->n_tags++;
    }
    if ((is(key, "language") || is(key, "languages")) && c->n_languages < MAX_ITEMS) {
        nb_kv_add_str(&c->languages, v.at, v.n);
        c->n_languages++;
    }
    return NB_OK;
}

/* "[a, b]" or one scalar. */
static nb_status add_values(card *c, text key, text value)
{
    if (value.n < 2 || *value.at != '[' || value.at[value.n - 1] != ']')
        return add_value(c, key, value);
    const char *at = value.at + 1, *end = value.at + value.n - 1;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t n = (size_t)((comma ? comma : end) - at);
        NB_TRY(add_value(c, key, (text){at, n}));
        at += n + 1;
    }
    return NB_OK;
}

/* One line between the dashes; *key is the one a list below it belongs to. */
static nb_status add_line(card *c, text *key, text line)
{
    text t = trim(line);
    if (t.n >= 2 && t.at[0] == '-' && t.at[1] == ' ')
        return key->n ? add_value(c, *key, (text){t.at + 2, t.n - 2}) : NB_OK;
    if (t.n == 0 || *t.at == '#' || t.at != line.at) /* deeper than the first level: not ours */
        return NB_OK;
    const char *colon = memchr(t.at, ':', t.n);
    *key = (text){t.at, 0};
    if (!colon || (colon + 1 < t.at + t.n && colon[1] != ' '))
        return NB_OK;
    text name = trim((text){t.at, (size_t)(colon - t.at)});
    text value = trim((text){colon + 1, t.n - (size_t)(colon - t.at) - 1});
    if (value.n)
        return add_values(c, name, value);
    *key = name;
    return NB_OK;
}

static nb_status read_card(card *c, const char *at, const char *end)
{
    text key = {0};
    for (size_t number = 0; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        text line = {at, (size_t)((newline ? newline : end) - at)};
        bool dashes = is(trim(line), "---") && *line.at == '-';
        if (dashes != (number == 0) || (number && dashes))
            return NB_OK; /* no front matter, or its end */
        if (number)
            NB_TRY(add_line(c, &key, line));
        at += line.n + 1;
    }
    return NB_OK;
}

nb_status nb_hf_card(nb_kvs *kvs, const char *bytes, size_t n, nb_err *err)
{
    card c = {.kvs = kvs, .err = err};
    nb_status st = n ? read_card(&c, bytes, bytes + n) : NB_OK;
    if (c.pipeline.n) {
        nb_kv_add_str(&c.tags, c.pipeline.at, c.pipeline.n);
        c.n_tags++;
    }
    if (st == NB_OK && c.n_tags)
        st = nb_kvs_put_strs(kvs, "general.tags", &c.tags, c.n_tags, err);
    if (st == NB_OK && c.n_languages)
        st = nb_kvs_put_strs(kvs, "general.languages", &c.languages, c.n_languages, err);
    nb_str_free(&c.tags);
    nb_str_free(&c.languages);
    return st;
}

/* --- together -----------------------------------------------------------------------------------
 */

/* config.json's _name_or_path where it is a model's id and not a path of some machine; NULL: none.
 */
static const char *given_id(const nb_jval *config)
{
    const char *given, *slash;
    if (!nb_jstr(nb_jget(config, "_name_or_path"), &given) || !*given || *given == '.')
        return NULL;
    slash = strchr(given, '/');
    return !slash || (slash[1] && slash != given && !strchr(slash + 1, '/')) ? given : NULL;
}

static const char *name_of_id(const char *id)
{
    const char *slash = strchr(id, '/');
    return slash ? slash + 1 : id;
}

nb_status nb_hf_names(nb_kvs *kvs, const char *dir, const nb_jval *config, uint64_t params,
                      nb_err *err)
{
    static const char organization[] = "general.organization";
    char real[PATH_MAX];
    const char *id = given_id(config);
    if (id) {
        NB_TRY(nb_hf_name_parts(kvs, name_of_id(id), params, err));
        if (strchr(id, '/') && !nb_kvs_find(kvs, organization))
            NB_TRY(put_title(kvs, organization, id, strcspn(id, "/"), err));
    }
    return nb_hf_name_parts(kvs, folder_name(dir, real), params, err);
}

nb_status nb_hf_identity(nb_kvs *kvs, const char *dir, const nb_jval *config, const char *arch,
                         nb_err *err)
{
    char path[PATH_MAX], real[PATH_MAX], *bytes;
    const char *id = given_id(config), *name = id ? name_of_id(id) : folder_name(dir, real);
    size_t n;
    NB_TRY(nb_kvs_put_str(kvs, "general.architecture", arch, strlen(arch), err));
    NB_TRY(nb_kvs_put_str(kvs, "general.type", "model", 5, err));
    NB_TRY(nb_hf_sampling(kvs, dir, err));
    n = strlen(name);
    NB_TRY(put_title(kvs, "general.name", name, n <= MAX_VALUE ? n : MAX_VALUE, err));
    if (!nb_path_join(path, sizeof path, dir, "README.md"))
        return NB_OK;
    nb_status st = nb_file_read(&bytes, &n, path, MAX_CARD, NULL);
    if (st == NB_NOMEM)
        return nb_fail(err, NB_NOMEM, "%s: no memory to read it", path);
    if (st != NB_OK)
        return NB_OK; /* a model needs no card */
    st = nb_hf_card(kvs, bytes, n, err);
    free(bytes);
    return st;
}

/* Two digits at least: "5.8M", "13B", "360M" (gguf-py/gguf/utility.py). */
nb_status nb_hf_size_label(nb_kvs *kvs, uint64_t params, uint64_t experts, nb_err *err)
{
    static const char unit[] = "KMBT";
    char number[48], label[80];
    double v = (double)params / 1000;
    size_t u = 0;
    if (params == 0 || nb_kvs_find(kvs, "general.size_label"))
        return NB_OK;
    for (; v > 1000 && u + 1 < sizeof unit - 1; u++)
        v /= 1000;
    nb_fmt_fixed(number, v, v >= 9.5 ? 0 : v >= 0.5 ? 1 : 2);
    if (experts)
        snprintf(label, sizeof label, "%llux%s%c", (unsigned long long)experts, number, unit[u]);
    else
        snprintf(label, sizeof label, "%s%c", number, unit[u]);
    return nb_kvs_put_str(kvs, "general.size_label", label, strlen(label), err);
}
