/* Methods of strings, as Python's str has them. */
#include "core/model/jinja_vm.h"

#include <string.h>

nb_status nb_jarg_str(nb_jvm *vm, const nb_jv *v)
{
    if (v->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, v);
    if (v->kind != NB_JV_STR)
        return nb_jvm_fail(vm, NB_FORMAT, "expected a string, found %s", nb_jv_type(v));
    return NB_OK;
}

nb_status nb_jarg_int(nb_jvm *vm, const nb_jv *v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (v->kind == NB_JV_UNDEFINED)
        return nb_jvm_fail_undefined(vm, v);
    if (v->kind == NB_JV_INT || v->kind == NB_JV_BOOL)
        *out = v->kind == NB_JV_INT ? v->i : v->b;
    else if (v->kind != NB_JV_ABSENT && v->kind != NB_JV_NONE)
        return nb_jvm_fail(vm, NB_FORMAT, "expected a whole number, found %s", nb_jv_type(v));
    return NB_OK;
}

/* --- letters --------------------------------------------------------------------------------- */

static nb_status put_char(nb_jvm *vm, const nb_jv *s, size_t at, size_t n, uint32_t cp, bool upper)
{
    char text[4];
    nb_jv as_is = nb_jv_part(*s, at, n);
    uint32_t to = nb_jcase(cp, upper);
    bool user = as_is.mark && as_is.mark[0];
    if (upper && cp == 0xdf) /* the one letter in use that grows */
        return nb_jvm_put(vm, "SS", 2, user);
    if (to == cp)
        return nb_jvm_put_str(vm, &as_is);
    return nb_jvm_put(vm, text, nb_utf8_put(to, text), user);
}

nb_status nb_jstr_case(nb_jvm *vm, const nb_jv *s, nb_jletters how, nb_jv *out)
{
    size_t start = vm->n_out;
    bool begin = true;
    for (size_t i = 0, used; i < s->len; i += used) {
        uint32_t cp;
        used = nb_jchar(s->at + i, s->len - i, &cp);
        bool upper = how == NB_JUPPER || (how != NB_JLOWER && begin);
        NB_TRY(put_char(vm, s, i, used, cp, upper));
        bool cased = nb_jcase(cp, true) != cp || nb_jcase(cp, false) != cp;
        begin = (how == NB_JTITLE && !cased) ||
                (how == NB_JWORDS && (nb_jspace(cp) || (cp < 0x80 && strchr("-({[<", (int)cp))));
    }
    return nb_jvm_text(vm, start, out);
}

static nb_status upper(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_case(vm, &c->self, NB_JUPPER, out);
}

static nb_status lower(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_case(vm, &c->self, NB_JLOWER, out);
}

static nb_status title(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_case(vm, &c->self, NB_JTITLE, out);
}

static nb_status capitalize(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_case(vm, &c->self, NB_JCAPITALIZE, out);
}

/* Whether there is a letter with case, and none of the other one. */
static nb_status is_case(nb_jcall *c, bool up, nb_jv *out)
{
    bool some = false, other = false;
    for (size_t i = 0, used; i < c->self.len; i += used) {
        uint32_t cp;
        used = nb_jchar(c->self.at + i, c->self.len - i, &cp);
        some = some || nb_jcase(cp, !up) != cp;
        other = other || (nb_jcase(cp, up) != cp);
    }
    *out = nb_jv_bool(some && !other);
    return NB_OK;
}

static nb_status str_isupper(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(nb_jvm_bulk(vm, c->self.len));
    return is_case(c, true, out);
}

static nb_status str_islower(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(nb_jvm_bulk(vm, c->self.len));
    return is_case(c, false, out);
}

static nb_status str_isdigit(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    bool all = c->self.len > 0;
    for (uint32_t i = 0; i < c->self.len; i++)
        all = all && c->self.at[i] >= '0' && c->self.at[i] <= '9';
    *out = nb_jv_bool(all);
    return nb_jvm_bulk(vm, c->self.len);
}

static nb_status str_isspace(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    bool all = c->self.len > 0;
    uint32_t cp;
    for (size_t i = 0, used; i < c->self.len; i += used) {
        used = nb_jchar(c->self.at + i, c->self.len - i, &cp);
        all = all && nb_jspace(cp);
    }
    *out = nb_jv_bool(all);
    return nb_jvm_bulk(vm, c->self.len);
}

/* --- ends ------------------------------------------------------------------------------------ */

static bool strips(const nb_jv *chars, const char *at, size_t n, uint32_t cp)
{
    if (chars->kind != NB_JV_STR)
        return nb_jspace(cp);
    return memmem(chars->at, chars->len, at, n) != NULL;
}

nb_status nb_jstr_strip(nb_jvm *vm, const nb_jv *s, const nb_jv *chars, unsigned sides, nb_jv *out)
{
    size_t from = 0, to = s->len, used;
    uint32_t cp;
    if (chars->kind != NB_JV_ABSENT && chars->kind != NB_JV_NONE)
        NB_TRY(nb_jarg_str(vm, chars));
    NB_TRY(nb_jvm_bulk(vm, (uint64_t)s->len * (1 + chars->len / 16)));
    for (; sides & NB_JLEFT && from < to; from += used) {
        used = nb_jchar(s->at + from, to - from, &cp);
        if (!strips(chars, s->at + from, used, cp))
            break;
    }
    while (sides & NB_JRIGHT && to > from) {
        size_t at = to - 1; /* back to the start of a character */
        while (at > from && to - at < 4 && ((uint8_t)s->at[at] & 0xc0) == 0x80)
            at--;
        if (at + nb_jchar(s->at + at, to - at, &cp) != to)
            at = to - nb_jchar(s->at + to - 1, 1, &cp);
        if (!strips(chars, s->at + at, to - at, cp))
            break;
        to = at;
    }
    *out = nb_jv_part(*s, from, to - from);
    return NB_OK;
}

static nb_status strip(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_strip(vm, &c->self, &c->arg[0], NB_JLEFT | NB_JRIGHT, out);
}

static nb_status lstrip(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_strip(vm, &c->self, &c->arg[0], NB_JLEFT, out);
}

static nb_status rstrip(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_strip(vm, &c->self, &c->arg[0], NB_JRIGHT, out);
}

static bool has_end(const nb_jv *s, const nb_jv *end, bool front)
{
    return end->len <= s->len &&
           (!end->len || memcmp(front ? s->at : s->at + s->len - end->len, end->at, end->len) == 0);
}

/* The end looked for may be a tuple of them. */
static nb_status ends(nb_jvm *vm, nb_jcall *c, bool front, nb_jv *out)
{
    const nb_jv *a = &c->arg[0];
    bool many = a->kind == NB_JV_TUPLE, hit = false;
    size_t n = many ? a->list->n : 1;
    for (size_t i = 0; i < n && !hit; i++) {
        const nb_jv *end = many ? &a->list->at[i] : a;
        NB_TRY(nb_jarg_str(vm, end));
        NB_TRY(nb_jvm_bulk(vm, end->len));
        hit = has_end(&c->self, end, front);
    }
    *out = nb_jv_bool(hit);
    return NB_OK;
}

static nb_status startswith(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return ends(vm, c, true, out);
}

static nb_status endswith(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return ends(vm, c, false, out);
}

static nb_status removeprefix(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(nb_jarg_str(vm, &c->arg[0]));
    size_t n = has_end(&c->self, &c->arg[0], true) ? c->arg[0].len : 0;
    *out = nb_jv_part(c->self, n, c->self.len - n);
    return NB_OK;
}

static nb_status removesuffix(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(nb_jarg_str(vm, &c->arg[0]));
    size_t n = has_end(&c->self, &c->arg[0], false) ? c->arg[0].len : 0;
    *out = nb_jv_part(c->self, 0, c->self.len - n);
    return NB_OK;
}

/* --- pieces ---------------------------------------------------------------------------------- */

nb_status nb_jstr_replace(nb_jvm *vm, const nb_jv *s, const nb_jv *old, const nb_jv *by,
                          int64_t count, nb_jv *out)
{
    size_t start = vm->n_out, at = 0;
    NB_TRY(nb_jarg_str(vm, old));
    NB_TRY(nb_jarg_str(vm, by));
    NB_TRY(nb_jvm_bulk(vm, s->len));
    for (int64_t done = 0; count < 0 || done < count; done++) {
        const char *hit =
            s->len - at >= old->len ? memmem(s->at + at, s->len - at, old->at, old->len) : NULL;
        if (!old->len) /* between all characters */
            hit = done == 0     ? s->at
                  : at < s->len ? s->at + at + nb_jchar_offset(s->at + at, s->len - at, 1)
                                : NULL;
        if (!hit)
            break;
        nb_jv before = nb_jv_part(*s, at, (size_t)(hit - s->at) - at);
        NB_TRY(nb_jvm_put_str(vm, &before));
        NB_TRY(nb_jvm_put_str(vm, by));
        NB_TRY(nb_jvm_step(vm, 1));
        at = (size_t)(hit - s->at) + old->len;
    }
    nb_jv rest = nb_jv_part(*s, at, s->len - at);
    NB_TRY(nb_jvm_put_str(vm, &rest));
    return nb_jvm_text(vm, start, out);
}

static nb_status replace(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t count;
    NB_TRY(nb_jarg_int(vm, &c->arg[2], -1, &count));
    return nb_jstr_replace(vm, &c->self, &c->arg[0], &c->arg[1], count, out);
}

/* At runs of white space, at most `most` times (< 0: always), from the left. */
static nb_status split_space(nb_jvm *vm, const nb_jv *s, int64_t most, nb_jlist *to)
{
    uint32_t cp;
    size_t at = 0, used;
    for (;;) {
        for (; at < s->len; at += used) {
            used = nb_jchar(s->at + at, s->len - at, &cp);
            if (!nb_jspace(cp))
                break;
        }
        if (at == s->len)
            return NB_OK;
        size_t from = at;
        for (; at < s->len; at += used) {
            used = nb_jchar(s->at + at, s->len - at, &cp);
            if (nb_jspace(cp))
                break;
        }
        if (most == 0)
            at = s->len;
        nb_jv part = nb_jv_part(*s, from, at - from);
        most -= most > 0;
        NB_TRY(nb_jlist_add(vm, to, &part));
    }
}

static nb_status split_at(nb_jvm *vm, const nb_jv *s, const nb_jv *by, int64_t most, nb_jlist *to)
{
    size_t at = 0;
    for (; most != 0; most -= most > 0) {
        const char *hit = memmem(s->at + at, s->len - at, by->at, by->len);
        if (!hit)
            break;
        nb_jv part = nb_jv_part(*s, at, (size_t)(hit - s->at) - at);
        NB_TRY(nb_jlist_add(vm, to, &part));
        NB_TRY(nb_jvm_step(vm, 1));
        at = (size_t)(hit - s->at) + by->len;
    }
    nb_jv rest = nb_jv_part(*s, at, s->len - at);
    return nb_jlist_add(vm, to, &rest);
}

static nb_status split(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t most;
    bool space = c->arg[0].kind == NB_JV_ABSENT || c->arg[0].kind == NB_JV_NONE;
    NB_TRY(nb_jarg_int(vm, &c->arg[1], -1, &most));
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    NB_TRY(nb_jvm_bulk(vm, c->self.len));
    if (space)
        return split_space(vm, &c->self, most, out->list);
    NB_TRY(nb_jarg_str(vm, &c->arg[0]));
    if (!c->arg[0].len)
        return nb_jvm_fail(vm, NB_FORMAT, "empty separator");
    return split_at(vm, &c->self, &c->arg[0], most, out->list);
}

/* Place of the last `what` that ends at or before `to`; SIZE_MAX = none. */
static size_t find_last(const nb_jv *s, size_t to, const nb_jv *what)
{
    for (size_t i = to >= what->len ? to - what->len + 1 : 0; i-- > 0;)
        if (memcmp(s->at + i, what->at, what->len) == 0)
            return i;
    return SIZE_MAX;
}

static void reverse(nb_jlist *l)
{
    for (uint32_t i = 0; i < l->n / 2; i++) {
        nb_jv v = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = v;
    }
}

static nb_status rsplit(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    int64_t most;
    const nb_jv *by = &c->arg[0];
    size_t to = c->self.len;
    NB_TRY(nb_jarg_int(vm, &c->arg[1], -1, &most));
    if (most < 0)
        return split(vm, c, out);
    if (by->kind != NB_JV_STR || !by->len)
        return nb_jvm_fail(vm, NB_UNSUPPORTED, "rsplit with a limit needs a separator");
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    for (size_t at; most > 0 && (at = find_last(&c->self, to, by)) != SIZE_MAX; most--) {
        nb_jv part = nb_jv_part(c->self, at + by->len, to - at - by->len);
        NB_TRY(nb_jvm_bulk(vm, (to - at) * (1 + by->len / 16)));
        NB_TRY(nb_jlist_add(vm, out->list, &part));
        to = at;
    }
    nb_jv rest = nb_jv_part(c->self, 0, to);
    NB_TRY(nb_jlist_add(vm, out->list, &rest));
    reverse(out->list);
    return NB_OK;
}

/* Length of the line end at s[0..n), 0 = none. */
static size_t line_end(const char *s, size_t n)
{
    uint32_t cp;
    size_t used = nb_jchar(s, n, &cp);
    if (cp == '\r' && n > 1 && s[1] == '\n')
        return 2;
    bool ends = (cp >= 10 && cp <= 13) || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 ||
                cp == 0x2028 || cp == 0x2029;
    return ends ? used : 0;
}

nb_status nb_jstr_lines(nb_jvm *vm, const nb_jv *s, bool keep_ends, nb_jv *out)
{
    uint32_t cp;
    NB_TRY(nb_jlist_make(vm, NB_JV_LIST, NULL, 0, out));
    NB_TRY(nb_jvm_bulk(vm, s->len));
    for (size_t from = 0, at = 0; at < s->len;) {
        size_t end = line_end(s->at + at, s->len - at);
        size_t step = end ? end : nb_jchar(s->at + at, s->len - at, &cp);
        at += step;
        if (!end && at < s->len)
            continue;
        nb_jv line = nb_jv_part(*s, from, at - from - (keep_ends ? 0 : end));
        NB_TRY(nb_jlist_add(vm, out->list, &line));
        from = at;
    }
    return NB_OK;
}

static nb_status splitlines(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jstr_lines(vm, &c->self, nb_jv_truth(&c->arg[0]), out);
}

static nb_status partition(nb_jvm *vm, nb_jcall *c, bool last, nb_jv *out)
{
    const nb_jv *s = &c->self, *by = &c->arg[0];
    NB_TRY(nb_jarg_str(vm, by));
    if (!by->len)
        return nb_jvm_fail(vm, NB_FORMAT, "empty separator");
    NB_TRY(nb_jvm_bulk(vm, (uint64_t)s->len * (1 + by->len / 16)));
    const char *hit = last ? NULL : memmem(s->at, s->len, by->at, by->len);
    size_t at = last ? find_last(s, s->len, by) : hit ? (size_t)(hit - s->at) : SIZE_MAX;
    nb_jv empty = nb_jv_text("", 0), part[3] = {*s, empty, empty};
    if (at != SIZE_MAX) {
        part[0] = nb_jv_part(*s, 0, at);
        part[1] = nb_jv_part(*s, at, by->len);
        part[2] = nb_jv_part(*s, at + by->len, s->len - at - by->len);
    } else if (last) {
        part[2] = part[0];
        part[0] = empty;
    }
    return nb_jlist_make(vm, NB_JV_TUPLE, part, 3, out);
}

static nb_status partition_first(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return partition(vm, c, false, out);
}

static nb_status partition_last(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return partition(vm, c, true, out);
}

static nb_status join(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    size_t start = vm->n_out;
    nb_jv all;
    int64_t n;
    NB_TRY(nb_jv_each(vm, &c->arg[0], &all, &n));
    for (int64_t i = 0; i < n; i++) {
        nb_jv one = nb_jv_at(&all, i);
        NB_TRY(nb_jarg_str(vm, &one));
        if (i)
            NB_TRY(nb_jvm_put_str(vm, &c->self));
        NB_TRY(nb_jvm_put_str(vm, &one));
    }
    return nb_jvm_text(vm, start, out);
}

/* --- search ---------------------------------------------------------------------------------- */

static nb_status find_in(nb_jvm *vm, nb_jcall *c, bool last, nb_jv *out)
{
    const nb_jv *s = &c->self, *what = &c->arg[0];
    NB_TRY(nb_jarg_str(vm, what));
    NB_TRY(nb_jvm_bulk(vm, (uint64_t)s->len * (1 + what->len / 16)));
    const char *hit = memmem(s->at, s->len, what->at, what->len);
    size_t at = last ? find_last(s, s->len, what) : hit ? (size_t)(hit - s->at) : SIZE_MAX;
    *out = nb_jv_int(at == SIZE_MAX ? -1 : (int64_t)nb_jchars(s->at, at));
    return NB_OK;
}

static nb_status find(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return find_in(vm, c, false, out);
}

static nb_status rfind(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return find_in(vm, c, true, out);
}

static nb_status index_of(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    NB_TRY(find_in(vm, c, false, out));
    return out->i >= 0 ? NB_OK : nb_jvm_fail(vm, NB_FORMAT, "substring not found");
}

static nb_status count(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    const nb_jv *s = &c->self, *what = &c->arg[0];
    int64_t n = 0;
    NB_TRY(nb_jarg_str(vm, what));
    NB_TRY(nb_jvm_bulk(vm, s->len));
    if (!what->len)
        n = (int64_t)nb_jchars(s->at, s->len) + 1;
    for (size_t at = 0; what->len && at < s->len; n++) {
        const char *hit = memmem(s->at + at, s->len - at, what->at, what->len);
        if (!hit)
            break;
        at = (size_t)(hit - s->at) + what->len;
    }
    *out = nb_jv_int(n);
    return NB_OK;
}

static nb_status format(nb_jvm *vm, nb_jcall *c, nb_jv *out)
{
    return nb_jvm_format(vm, &c->self, c->pos, c->n, c->named, out);
}

const nb_jrow nb_jmethods_str[] = {{"upper", upper, "", 0, NB_JV_STR},
                                   {"lower", lower, "", 0, NB_JV_STR},
                                   {"title", title, "", 0, NB_JV_STR},
                                   {"capitalize", capitalize, "", 0, NB_JV_STR},
                                   {"isupper", str_isupper, "", 0, NB_JV_STR},
                                   {"islower", str_islower, "", 0, NB_JV_STR},
                                   {"isdigit", str_isdigit, "", 0, NB_JV_STR},
                                   {"isspace", str_isspace, "", 0, NB_JV_STR},
                                   {"strip", strip, "chars", 0, NB_JV_STR},
                                   {"lstrip", lstrip, "chars", 0, NB_JV_STR},
                                   {"rstrip", rstrip, "chars", 0, NB_JV_STR},
                                   {"startswith", startswith, "prefix", 1, NB_JV_STR},
                                   {"endswith", endswith, "suffix", 1, NB_JV_STR},
                                   {"removeprefix", removeprefix, "prefix", 1, NB_JV_STR},
                                   {"removesuffix", removesuffix, "suffix", 1, NB_JV_STR},
                                   {"replace", replace, "old,new,count", 2, NB_JV_STR},
                                   {"split", split, "sep,maxsplit", 0, NB_JV_STR},
                                   {"rsplit", rsplit, "sep,maxsplit", 0, NB_JV_STR},
                                   {"splitlines", splitlines, "keepends", 0, NB_JV_STR},
                                   {"partition", partition_first, "sep", 1, NB_JV_STR},
                                   {"rpartition", partition_last, "sep", 1, NB_JV_STR},
                                   {"join", join, "iterable", 1, NB_JV_STR},
                                   {"find", find, "sub", 1, NB_JV_STR},
                                   {"rfind", rfind, "sub", 1, NB_JV_STR},
                                   {"index", index_of, "sub", 1, NB_JV_STR},
                                   {"count", count, "sub", 1, NB_JV_STR},
                                   {"format", format, "*", 0, NB_JV_STR},
                                   {0}};
