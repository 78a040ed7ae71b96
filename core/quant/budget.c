#include "core/quant/budget.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/model/session.h"

bool nb_size_read(const char *text, uint64_t *out)
{
    static const char unit[] = "kMGT";
    char number[32];
    size_t n = strspn(text, "0123456789.");
    double base = 1000, v;
    if (n == 0 || n >= sizeof number)
        return false;
    memcpy(number, text, n);
    number[n] = '\0';
    const char *p = text + n + strspn(text + n, " ");
    const char *at = NULL;
    for (const char *u = unit; *p && *u; u++)
        if (tolower((unsigned char)*u) == tolower((unsigned char)*p))
            at = u;
    p += at != NULL;
    if (at && (*p == 'i' || *p == 'I')) {
        base = 1024;
        p++;
    }
    p += *p == 'B' || *p == 'b';
    if (*p || !nb_parse_double(number, &v))
        return false;
    for (const char *u = unit; at && u <= at; u++)
        v *= base;
    *out = v < 1e18 ? (uint64_t)v : 0;
    return v >= 1 && v < 1e18;
}

/* --- words -------------------------------------------------------------------------------------
 */

/* Lower case, blanks at the ends gone. */
static bool tidy(char *out, size_t cap, const char *text)
{
    size_t n = strlen(text), from = strspn(text, " \t");
    while (n > from && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    if (n - from >= cap)
        return false;
    for (size_t i = from; i < n; i++)
        out[i - from] = (char)tolower((unsigned char)text[i]);
    out[n - from] = '\0';
    return true;
}

/* Takes a word off the front, with the blanks behind it. */
static char *skip_word(char *s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(s, word, n) != 0)
        return s;
    return s + n + strspn(s + n, " ");
}

/* Cuts a word off the end, with the blanks before it; false when it is not there. */
static bool cut_word(char *s, const char *word)
{
    size_t n = strlen(s), len = strlen(word);
    if (n < len || strcmp(s + n - len, word) != 0)
        return false;
    n -= len;
    while (n && s[n - 1] == ' ')
        n--;
    s[n] = '\0';
    return true;
}

static nb_status no_target(const char *text, nb_err *err)
{
    return nb_fail(err, NB_USAGE, "\"%.60s\" is no target: 4 MB, 4.5 bpw, 8 GB ram, none", text);
}

static nb_status read_ram(nb_budget *b, char *s, const char *text, nb_err *err)
{
    uint64_t tokens;
    char *ctx = strstr(s, "ctx");
    if (ctx) {
        if (!nb_parse_u64(ctx + 3 + strspn(ctx + 3, " "), &tokens) || tokens < 1 ||
            tokens > (1u << 24))
            return nb_fail(err, NB_USAGE, "\"%.60s\": behind ctx stands a number of tokens", text);
        b->ctx = (uint32_t)tokens;
        *ctx = '\0';
        while (ctx > s && ctx[-1] == ' ')
            *--ctx = '\0';
    }
    b->kind = NB_BUDGET_RAM;
    return cut_word(s, "ram") && nb_size_read(s, &b->bytes) ? NB_OK : no_target(text, err);
}

nb_status nb_budget_read(nb_budget *out, const char *text, nb_err *err)
{
    char word[80];
    nb_budget b = {.kind = NB_BUDGET_SIZE};
    if (!tidy(word, sizeof word, text))
        return no_target(text, err);
    char *s = skip_word(skip_word(word, "fits"), "<=");
    s = skip_word(s, "\xe2\x89\xa4"); /* U+2264, as the form shows it */
    if (!*s || strcmp(s, "none") == 0) {
        b.kind = NB_BUDGET_NONE;
    } else if (strstr(s, "ram")) {
        NB_TRY(read_ram(&b, s, text, err));
    } else if (cut_word(s, "bpw")) {
        b.kind = NB_BUDGET_BPW;
        if (!nb_parse_double(s, &b.bpw) || !(b.bpw >= 0.5 && b.bpw <= 32))
            return nb_fail(err, NB_USAGE, "\"%.60s\": bits per weight lie between 0.5 and 32",
                           text);
    } else if (!nb_size_read(s, &b.bytes)) {
        return no_target(text, err);
    }
    *out = b;
    return NB_OK;
}

/* As few digits as say it exactly: "4MB", "3500000". */
static void size_text(uint64_t bytes, char *out, size_t cap)
{
    static const struct {
        uint64_t of;
        const char *name;
    } unit[] = {{1000000000, "GB"}, {1000000, "MB"}, {1000, "kB"}};
    for (size_t i = 0; i < countof(unit); i++)
        if (bytes >= unit[i].of && bytes % (unit[i].of / 100) == 0) {
            uint64_t part = bytes % unit[i].of / (unit[i].of / 100);
            snprintf(out, cap, part ? "%llu.%02llu %s" : "%llu%.0llu %s",
                     (unsigned long long)(bytes / unit[i].of), (unsigned long long)part,
                     unit[i].name);
            return;
        }
    snprintf(out, cap, "%llu", (unsigned long long)bytes);
}

void nb_budget_text(const nb_budget *b, char *out, size_t cap)
{
    char size[40], ctx[24] = "", num[48];
    size_text(b->bytes, size, sizeof size);
    if (b->ctx)
        snprintf(ctx, sizeof ctx, " ctx %u", b->ctx);
    if (b->kind == NB_BUDGET_NONE)
        snprintf(out, cap, "none");
    else if (b->kind == NB_BUDGET_BPW)
        snprintf(out, cap, "%s bpw", nb_fmt_double(num, b->bpw));
    else
        snprintf(out, cap, "%s%s%s", size, b->kind == NB_BUDGET_RAM ? " ram" : "", ctx);
}

/* --- bytes -------------------------------------------------------------------------------------
 */

/* What is left of the memory for the file, the KV cache and buffers taken off. */
static nb_status ram_bytes(const nb_budget *b, const nb_plan *plan, uint64_t *bytes, nb_err *err)
{
    nb_hparams hp;
    uint64_t kv, compute;
    nb_session_options opt = {.n_ctx = b->ctx};
    NB_TRY(nb_hparams_read(&hp, nb_weights_kvs(plan->weights), err));
    nb_session_plan(&hp, &opt, &kv, &compute);
    if (kv >= b->bytes || compute >= b->bytes - kv) {
        char need[16], have[16];
        return nb_fail(err, NB_NOTFOUND, "KV cache and buffers alone take %s of %s of memory",
                       nb_human_bytes(need, kv + compute), nb_human_bytes(have, b->bytes));
    }
    *bytes = b->bytes - kv - compute;
    return NB_OK;
}

nb_status nb_budget_bytes(const nb_budget *b, const nb_plan *plan, uint64_t *bytes, nb_err *err)
{
    switch (b->kind) {
    case NB_BUDGET_SIZE:
        *bytes = b->bytes;
        return NB_OK;
    case NB_BUDGET_BPW: /* of tensors; the header comes on top */
        *bytes = plan->header.len + (uint64_t)(b->bpw * (double)plan->params / 8);
        return NB_OK;
    case NB_BUDGET_RAM:
        return ram_bytes(b, plan, bytes, err);
    default:
        return nb_fail(err, NB_USAGE, "no target is given");
    }
}
