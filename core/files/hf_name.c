/* What a model's id tells: "Qwen2.5-7B-Instruct-v0.3" is base name Qwen2.5, size 7B, fine-tune
 * Instruct, version v0.3 (gguf-py/gguf/metadata.py, get_model_id_components). */
#include "core/files/hf_private.h"

#include <math.h>
#include <string.h>

enum { MAX_PARTS = 64, MAX_PART = 64 };
enum { BASENAME = 1, SIZE = 2, FINETUNE = 4, VERSION = 8, TYPE = 16 };

typedef struct part {
    char text[MAX_PART];
    size_t n;
    unsigned kinds;
} part;

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 0x20) : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 0x20) : c;
}

static size_t digits(const char *s)
{
    size_t n = 0;
    while (digit(s[n]))
        n++;
    return n;
}

/* (v|iter)?\d+([.]\d+)* */
static bool is_version(const char *s)
{
    char word[5] = {lower(s[0]), s[0] ? lower(s[1]) : '\0'};
    for (int i = 2; i < 4 && word[i - 1]; i++)
        word[i] = lower(s[i]);
    s += strcmp(word, "iter") == 0 ? 4 : word[0] == 'v';
    for (;;) {
        size_t n = digits(s);
        s += n;
        if (n == 0 || *s != '.')
            return n > 0 && *s == '\0';
        s++;
    }
}

/* i?q\d(_\w)*|b?fp?(16|32) */
static bool is_type(const char *s)
{
    const char *q = s + (lower(*s) == 'i');
    if (lower(*q) == 'q' && digit(q[1])) {
        for (q += 2; q[0] == '_' && (alpha(q[1]) || digit(q[1]) || q[1] == '_'); q += 2)
            continue;
        return *q == '\0';
    }
    s += lower(*s) == 'b';
    if (lower(*s) != 'f')
        return false;
    s += lower(s[1]) == 'p' ? 2 : 1;
    return strcmp(s, "16") == 0 || strcmp(s, "32") == 0;
}

static bool is_word(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (nb_same_word(s, *words))
            return true;
    return false;
}

/* ([A]|\d+[x])?\d+([._]\d+)?[KMBT][\d]? */
static bool is_size(const char *s)
{
    static const char *const words[] = {"small", "mini", "medium", "large", "xl", "xxl", NULL};
    if (is_word(s, words))
        return true;
    size_t n = digits(s);
    if (n && lower(s[n]) == 'x')
        s += n + 1;
    else if (lower(*s) == 'a')
        s++;
    n = digits(s);
    if (n == 0)
        return false;
    s += n;
    if ((*s == '.' || *s == '_') && digit(s[1]))
        s += 1 + digits(s + 1);
    if (!*s || !strchr("kmbt", lower(*s)))
        return false;
    s++;
    return *s == '\0' || (digit(*s) && s[1] == '\0');
}

/* "7_1b" is 7.1B, and so is "7b1". A number far from the model's is one of tokens, not of weights.
 */
static void settle_size(part *p, double params)
{
    static const char units[] = "KMBT";
    for (size_t i = 0; i < p->n; i++)
        p->text[i] = p->text[i] == '_' ? '.' : p->text[i];
    if (digit(p->text[p->n - 1]) && p->n + 1 < MAX_PART) {
        char unit = p->text[p->n - 2], last = p->text[p->n - 1];
        p->text[p->n - 2] = '.';
        p->text[p->n - 1] = last;
        p->text[p->n++] = unit;
        p->text[p->n] = '\0';
    }
    char *unit = &p->text[p->n - 1];
    if (p->n > 1 && digit(unit[-1]))
        *unit = upper(*unit);
    const char *at = *unit ? strchr(units, *unit) : NULL;
    char number[MAX_PART];
    double v;
    memcpy(number, p->text, p->n);
    number[p->n - 1] = '\0';
    p->kinds |= SIZE;
    if (params <= 0 || !at || !nb_parse_double(number, &v))
        return;
    if (fabs(v * pow(1000, (double)(at - units + 1)) - params) > floor(7 * params / 8)) {
        p->kinds = FINETUNE;
        *unit = lower(*unit);
    }
}

static void annotate(part *p, bool first, double params)
{
    static const char *const tuned[] = {"chat", "instruct", "vision", "lora", NULL};
    if (is_version(p->text)) {
        p->kinds |= VERSION;
    } else if (is_type(p->text)) {
        p->kinds |= TYPE;
        for (size_t i = 0; i < p->n; i++)
            p->text[i] = upper(p->text[i]);
    } else if (!first && is_size(p->text)) {
        settle_size(p, params);
    } else if (!first && is_word(p->text, tuned)) {
        p->kinds |= FINETUNE;
    }
}

/* Words like "mini" are a size only where no number is. */
static void drop_size_words(part *list, size_t n)
{
    bool number = false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; list[i].kinds & SIZE && k < list[i].n; k++)
            number = number || digit(list[i].text[k]);
    for (size_t i = 0; number && i < n; i++) {
        size_t letters = 0;
        while (alpha(list[i].text[letters]))
            letters++;
        if (letters == list[i].n)
            list[i].kinds &= ~(unsigned)SIZE;
    }
}

/* What is none of these is the base name at the front, a fine-tune behind it. */
static void settle_rest(part *list, size_t n)
{
    bool front = true;
    for (size_t i = 0; i < n; i++) {
        bool letters = alpha(list[i].text[0]) || (uint8_t)list[i].text[0] >= 0x80;
        front = front && (list[i].kinds & VERSION || (list[i].kinds == 0 && letters));
        if (front)
            list[i].kinds |= BASENAME;
        else if (list[i].kinds == 0)
            list[i].kinds = FINETUNE;
    }
    for (size_t i = n; i > 0 && list[i - 1].kinds & BASENAME && list[i - 1].kinds != BASENAME; i--)
        list[i - 1].kinds &= ~(unsigned)BASENAME;
}

/* Parts of such a kind, dashes between. */
static void joined(const part *list, size_t n, unsigned kind, unsigned without, nb_str *out)
{
    nb_str_clear(out);
    for (size_t i = 0; i < n; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && kind == SIZE; k++)
            seen = seen || (list[k].kinds & SIZE && strcmp(list[k].text, list[i].text) == 0);
        if (!(list[i].kinds & kind) || list[i].kinds & without || seen)
            continue;
        if (out->len)
            nb_str_add(out, "-");
        nb_str_addn(out, list[i].text, list[i].n);
    }
}

static size_t parts_of(const char *id, part list[MAX_PARTS])
{
    size_t n = 0;
    for (const char *at = id; *at;) {
        size_t len = strcspn(at, "-");
        if (len >= MAX_PART - 1 || (len && n == MAX_PARTS))
            return 0;
        if (len) {
            list[n] = (part){.n = len};
            memcpy(list[n++].text, at, len);
        }
        at += len + (at[len] == '-');
    }
    return n;
}

nb_status nb_hf_name_parts(nb_kvs *kvs, const char *id, uint64_t params, nb_err *err)
{
    static const struct {
        const char *key;
        unsigned kind, without;
    } row[] = {{"general.size_label", SIZE, 0},
               {"general.finetune", FINETUNE, 0},
               {"general.version", VERSION, BASENAME},
               {"general.basename", BASENAME, 0}};
    part list[MAX_PARTS];
    nb_str text = {0};
    nb_status st = NB_OK;
    size_t n = strchr(id, ' ') ? 0 : parts_of(id, list), told = 0;
    for (size_t i = 0; i < n; i++)
        annotate(&list[i], i == 0, (double)params);
    drop_size_words(list, n);
    settle_rest(list, n);
    for (size_t i = 0; st == NB_OK && i < countof(row); i++) {
        joined(list, n, row[i].kind, row[i].without, &text);
        told += text.len > 0;
        /* a base name alone is too ambiguous */
        if (text.len && !nb_kvs_find(kvs, row[i].key) && (row[i].kind != BASENAME || told > 1))
            st = nb_kvs_put_str(kvs, row[i].key, text.at, text.len, err);
    }
    if (st == NB_OK && text.failed)
        st = nb_fail(err, NB_NOMEM, "%.80s: no memory for the parts of its name", id);
    nb_str_free(&text);
    return st;
}
