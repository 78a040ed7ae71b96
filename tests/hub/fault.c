#include "tests/hub/fault.h"

#include <string.h>

#include "core/base/file.h"
#include "tests/hub/mem.h"

typedef enum value_kind { NOTHING, NUMBER, SIGNED, TEXT } value_kind;

static const struct {
    const char *word;
    value_kind kind;
    int64_t without;
} verbs[FAULT_VERB_COUNT] = {
#define FAULT_ROW(name, word, value, without) {word, value, without},
    FAULT_VERBS(FAULT_ROW)
#undef FAULT_ROW
};

struct fault_rule {
    fault_rule *next;
    char *method, *glob;  /* owned */
    int port;             /* -1 = any */
    uint64_t first, last; /* of the requests that matched, from 1 */
    uint64_t seen;
    fault what;
};

void fault_clear(fault *f)
{
    for (int i = 0; i < FAULT_VERB_COUNT; i++)
        free(f->text[i]);
    *f = (fault){0};
}

static void free_rule(fault_rule *r)
{
    fault_clear(&r->what);
    free(r->method);
    free(r->glob);
    free(r);
}

void fault_free_rules(fault_rule **rules)
{
    while (*rules) {
        fault_rule *next = (*rules)->next;
        free_rule(*rules);
        *rules = next;
    }
}

/* --- words ----------------------------------------------------------------------------------- */
static void unescape(const char **at, nb_str *out)
{
    static const char from[] = "ntr\"\\", to[] = "\n\t\r\"\\";
    const char *hit = **at ? strchr(from, **at) : NULL;
    char hex[3] = {0};
    if (hit) {
        nb_str_addn(out, &to[hit - from], 1);
        ++*at;
    } else if (**at == 'x' && strspn(*at + 1, "0123456789abcdefABCDEF") >= 2) {
        memcpy(hex, *at + 1, 2);
        nb_str_addn(out, &(char){(char)strtol(hex, NULL, 16)}, 1);
        *at += 3;
    } else {
        nb_str_add(out, "\\");
    }
}

/* The next word of a line, quotes and escapes resolved; false at the end. */
static bool next_word(const char **at, nb_str *out)
{
    bool quoted = false;
    nb_str_clear(out);
    *at += strspn(*at, " \t\r\n");
    if (!**at || **at == '\n')
        return false;
    while (**at && (quoted || !strchr(" \t\r\n", **at))) {
        char c = *(*at)++;
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted)
            unescape(at, out);
        else
            nb_str_addn(out, &c, 1);
    }
    return true;
}

static bool parse_size(const char *text, bool sign, int64_t *out)
{
    char number[32];
    bool minus = sign && *text == '-';
    size_t n = strlen(text += minus);
    const char *unit = n ? strchr("KMG", text[n - 1]) : NULL;
    uint64_t v;
    n -= unit != NULL;
    if (n >= sizeof number)
        return false;
    memcpy(number, text, n);
    number[n] = '\0';
    if (!nb_parse_u64(number, &v) || v > INT64_MAX >> 30)
        return false;
    v <<= unit ? 10 * (*unit == 'K' ? 1 : *unit == 'M' ? 2 : 3) : 0;
    *out = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

/* --- rules ----------------------------------------------------------------------------------- */
static void put_text(fault *f, int verb, const char *text, size_t n)
{
    nb_str all = {0};
    if (verb == FAULT_HEADER && f->text[verb]) {
        nb_str_addn(&all, f->text[verb], f->text_n[verb]);
        nb_str_add(&all, "\n");
    }
    nb_str_addn(&all, text, n);
    free(f->text[verb]);
    f->text[verb] = hub_strndup(nb_str_c(&all), all.len);
    f->text_n[verb] = all.len;
    nb_str_free(&all);
}

static nb_status parse_verb(fault *f, const nb_str *word, nb_err *err)
{
    const char *text = nb_str_c(word), *equals = memchr(text, '=', word->len);
    size_t len = equals ? (size_t)(equals - text) : word->len;
    int i = 0;
    while (i < FAULT_VERB_COUNT &&
           (strncmp(verbs[i].word, text, len) != 0 || verbs[i].word[len] != '\0'))
        i++;
    if (i == FAULT_VERB_COUNT)
        return nb_fail(err, NB_USAGE, "fault: no verb %.*s", (int)len, text);
    if (equals ? verbs[i].kind == NOTHING : verbs[i].without < 0)
        return nb_fail(err, NB_USAGE, "fault: %s %s", verbs[i].word,
                       equals ? "takes no value" : "needs a value");
    f->has[i] = true;
    f->num[i] = verbs[i].without;
    if (!equals)
        return NB_OK;
    if (verbs[i].kind == TEXT)
        put_text(f, i, equals + 1, word->len - len - 1);
    else if (!parse_size(equals + 1, verbs[i].kind == SIGNED, &f->num[i]))
        return nb_fail(err, NB_USAGE, "fault: %s=%s: expected a number", verbs[i].word, equals + 1);
    return NB_OK;
}

static bool parse_count(fault_rule *r, const char *text) /* #N, #N-M, #N+ */
{
    char *end;
    if (*text != '#' || text[1] < '0' || text[1] > '9')
        return false;
    r->first = r->last = strtoull(text + 1, &end, 10);
    if (*end == '-')
        r->last = strtoull(end + 1, &end, 10);
    else if (*end == '+' && end++)
        r->last = UINT64_MAX;
    return *end == '\0' && r->first > 0 && r->last >= r->first;
}

static nb_status parse_pattern(fault_rule *r, const char **at, nb_str *word, nb_err *err)
{
    static const char *const ports[FAKE_PORTS] = {"hub:", "cdn:", "proxy:"};
    static const char *const methods[] = {"GET", "HEAD", "POST", "CONNECT", "*"};
    bool known = false;
    if (next_word(at, word))
        r->method = hub_strdup(nb_str_c(word));
    for (size_t i = 0; r->method && i < countof(methods); i++)
        known = known || strcmp(methods[i], r->method) == 0;
    if (!known)
        return nb_fail(err, NB_USAGE, "fault: %s is not GET, HEAD, POST, CONNECT or *",
                       r->method ? r->method : "nothing");
    if (!next_word(at, word))
        return nb_fail(err, NB_USAGE, "fault: no pattern");
    const char *glob = nb_str_c(word);
    r->port = -1;
    for (int i = 0; i < FAKE_PORTS && r->port < 0; i++)
        if (strncmp(glob, ports[i], strlen(ports[i])) == 0)
            r->port = i;
    r->glob = hub_strdup(r->port < 0 ? glob : glob + strlen(ports[r->port]));
    return NB_OK;
}

static nb_status parse_rule(fault_rule *r, const char *line, nb_str *word, nb_err *err)
{
    const char *at = line;
    bool any = false;
    NB_TRY(parse_pattern(r, &at, word, err));
    r->first = 1;
    r->last = UINT64_MAX;
    while (next_word(&at, word)) {
        if (nb_str_c(word)[0] == '#' && !any) {
            if (!parse_count(r, nb_str_c(word)))
                return nb_fail(err, NB_USAGE, "fault: %s is not #N, #N-M or #N+", nb_str_c(word));
            continue;
        }
        NB_TRY(parse_verb(&r->what, word, err));
        any = true;
    }
    if (!any)
        return nb_fail(err, NB_USAGE, "fault: no verb in \"%s\"", line);
    const char *path = r->what.text[FAULT_BODY_FILE];
    if (!path)
        return NB_OK;
    char *bytes;
    size_t n;
    NB_TRY(nb_file_read(&bytes, &n, path, 1 << 30, err));
    put_text(&r->what, FAULT_BODY, bytes, n);
    r->what.has[FAULT_BODY] = true;
    free(bytes);
    return NB_OK;
}

nb_status fault_add(fault_rule **rules, const char *line, nb_err *err)
{
    fault_rule *r = hub_alloc(sizeof *r);
    nb_str word = {0};
    nb_status st = parse_rule(r, line, &word, err);
    nb_str_free(&word);
    if (st != NB_OK) {
        free_rule(r);
        return st;
    }
    while (*rules)
        rules = &(*rules)->next;
    *rules = r;
    return NB_OK;
}

/* --- matching -------------------------------------------------------------------------------- */
static void merge(fault *to, const fault *from)
{
    for (int i = 0; i < FAULT_VERB_COUNT; i++) {
        if (!from->has[i])
            continue;
        to->has[i] = true;
        to->num[i] = from->num[i];
        if (from->text[i])
            put_text(to, i, from->text[i], from->text_n[i]);
    }
}

void fault_match(fault_rule *rules, fake_port port, const char *method, const char *name,
                 fault *out)
{
    for (fault_rule *r = rules; r; r = r->next) {
        if (r->port >= 0 && r->port != (int)port)
            continue;
        if (strcmp(r->method, "*") != 0 && strcmp(r->method, method) != 0)
            continue;
        if (!nb_glob(r->glob, name))
            continue;
        r->seen++;
        if (r->seen >= r->first && r->seen <= r->last)
            merge(out, &r->what);
    }
}
