/* GET /api/models: who matches, in which order, which page (hub.md 1.2). */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tests/hub/hub.h"
#include "tests/hub/mem.h"

/* --- filters: each says whether a repository matches one value of its parameter ----------------
 */
/* Every word of the value stands somewhere in the id, in any case. */
static bool by_search(const fake_repo *r, const char *value)
{
    char *words = hub_strdup(value), *save = NULL;
    bool ok = true;
    for (char *w = strtok_r(words, " ", &save); w && ok; w = strtok_r(NULL, " ", &save))
        ok = strcasestr(r->id, w) != NULL;
    free(words);
    return ok;
}

static bool by_author(const fake_repo *r, const char *value)
{
    size_t n = strlen(value);
    return strncasecmp(r->id, value, n) == 0 && r->id[n] == '/';
}

static bool by_pipeline(const fake_repo *r, const char *value)
{
    return r->pipeline_tag && strcmp(r->pipeline_tag, value) == 0;
}

static bool has_tag(const fake_repo *r, const char *value)
{
    for (size_t i = 0; i < r->n_tags; i++)
        if (strcasecmp(r->tags[i], value) == 0)
            return true;
    return by_pipeline(r, value) || (r->library_name && strcmp(r->library_name, value) == 0);
}

static bool by_filter(const fake_repo *r, const char *value)
{
    char *tags = hub_strdup(value), *save = NULL;
    bool ok = true;
    for (char *t = strtok_r(tags, ",", &save); t && ok; t = strtok_r(NULL, ",", &save))
        ok = has_tag(r, t);
    free(tags);
    return ok;
}

static bool by_apps(const fake_repo *r, const char *value)
{
    bool gguf = strcmp(value, "llama.cpp") == 0 || strcmp(value, "ollama") == 0;
    return gguf ? has_tag(r, "gguf") : has_tag(r, "transformers");
}

static bool by_gated(const fake_repo *r, const char *value)
{
    return (strcmp(value, "true") == 0) == (r->gated != FAKE_OPEN);
}

static bool by_nothing(const fake_repo *r, const char *value)
{
    (void)r;
    (void)value;
    return false; /* no inference here */
}

static double amount(const char *text) /* 6B, 0.5B, 128000 */
{
    char *end;
    double v = strtod(text, &end);
    switch (toupper((unsigned char)*end)) {
    case 'K':
        return v * 1e3;
    case 'M':
        return v * 1e6;
    case 'B':
        return v * 1e9;
    case 'T':
        return v * 1e12;
    default:
        return v;
    }
}

static bool by_parameters(const fake_repo *r, const char *value) /* min:6B,max:128B */
{
    const char *min = strstr(value, "min:"), *max = strstr(value, "max:");
    double n = (double)r->parameters;
    return n > 0 && (!min || n >= amount(min + 4)) && (!max || n <= amount(max + 4));
}

static const struct {
    const char *param;
    bool (*matches)(const fake_repo *r, const char *value);
} filters[] = {
    {"search", by_search},     {"author", by_author},
    {"filter", by_filter},     {"pipeline_tag", by_pipeline},
    {"apps", by_apps},         {"gated", by_gated},
    {"inference", by_nothing}, {"inference_provider", by_nothing},
    {"library", by_filter},    {"num_parameters", by_parameters},
};

static bool matches(const fake_repo *r, const char *query)
{
    char *key, *value;
    bool ok = true;
    while (ok && http_pair(&query, &key, &value)) {
        for (size_t i = 0; i < countof(filters) && ok; i++)
            if (strcmp(filters[i].param, key) == 0)
                ok = filters[i].matches(r, value);
        free(key);
        free(value);
    }
    return ok;
}

/* --- order ----------------------------------------------------------------------------------- */
typedef struct row {
    const fake_repo *repo;
    double number;    /* larger first; then */
    const char *text; /* later first (dates); NULL = none */
    size_t index;     /* then as added */
} row;

static int compare(const void *a, const void *b)
{
    const row *x = a, *y = b;
    int text = x->text && y->text ? strcmp(y->text, x->text) : 0;
    if (x->number != y->number)
        return x->number < y->number ? 1 : -1;
    return text ? text : x->index < y->index ? -1 : 1;
}

/* False when there is no such order. */
static bool set_key(row *r, const char *sort)
{
    const fake_repo *repo = r->repo;
    if (!sort || strcmp(sort, "trendingScore") == 0)
        r->number = repo->trending;
    else if (strcmp(sort, "downloads") == 0)
        r->number = (double)repo->downloads;
    else if (strcmp(sort, "likes") == 0 || strcmp(sort, "likes30d") == 0)
        r->number = (double)repo->likes;
    else if (strcmp(sort, "num_parameters") == 0)
        r->number = (double)repo->parameters;
    else if (strcmp(sort, "lastModified") == 0)
        r->text = repo->modified;
    else if (strcmp(sort, "createdAt") == 0)
        r->text = repo->created;
    else
        return false;
    return true;
}

/* Rows that match, malloc'd and in order; NULL with an error when the order is unknown. */
static row *gather(exchange *x, size_t *n)
{
    char *sort = http_param(x->req->query, "sort");
    row *rows = NULL;
    bool ok = true;
    *n = 0;
    for (const fake_repo *r = x->hub->repos; r && ok; r = r->next) {
        if (r->gone || !answer_sees(x, r) || !matches(r, x->req->query))
            continue;
        rows = hub_grow(rows, *n, sizeof *rows);
        rows[*n] = (row){.repo = r, .index = *n};
        ok = set_key(&rows[*n], sort);
        ++*n;
    }
    if (!ok) {
        answer_error(x, 400, NULL, "Invalid value for sort: \"%s\"", sort);
        free(rows);
        rows = NULL;
    } else {
        rows = hub_grow(rows, *n, sizeof *rows); /* not NULL when nothing matched */
        qsort(rows, *n, sizeof *rows, compare);
    }
    free(sort);
    return rows;
}

/* --- page ------------------------------------------------------------------------------------ */
static bool page_size(exchange *x, size_t *out)
{
    size_t most = x->hub->opt.list_page ? x->hub->opt.list_page : 1000;
    char *limit = http_param(x->req->query, "limit");
    uint64_t v = most;
    bool ok = !limit || (nb_parse_u64(limit, &v) && v > 0);
    free(limit);
    *out = v < most ? (size_t)v : most;
    if (!ok)
        answer_error(x, 400, NULL, "Invalid value for limit");
    return ok;
}

static unsigned sets_of(const char *query)
{
    static const struct {
        const char *param;
        unsigned set;
    } rows[] = {{"full", PROPS_FULL}, {"config", PROPS_CONFIG}, {"cardData", PROPS_CARD}};
    unsigned set = PROPS_ROW;
    for (size_t i = 0; i < countof(rows); i++) {
        char *value = http_param(query, rows[i].param);
        if (value && (strcmp(value, "true") == 0 || strcmp(value, "1") == 0 || !*value))
            set |= rows[i].set;
        free(value);
    }
    return set;
}

void search_models(exchange *x)
{
    size_t from, n, size;
    if (strcmp(x->req->method, "POST") == 0) {
        answer_error(x, 405, NULL, "Method not allowed");
        return;
    }
    if (!models_expand_ok(x) || !page_size(x, &size) || !answer_cursor(x, &from))
        return;
    row *rows = gather(x, &n);
    if (!rows)
        return;
    nb_jout w = nb_jout_make(&x->text);
    nb_jout_array(&w);
    for (size_t i = from; i < n && i - from < size; i++)
        models_put(&w, rows[i].repo, repo_resolve(rows[i].repo, "main"), x->req->query,
                   sets_of(x->req->query));
    nb_jout_array_end(&w);
    answer_json(x);
    if (n > from && n - from > size)
        answer_next(x, from + size);
    free(rows);
}
