/* Templates opened and rendered: the arena, the counters that stop foreign code, and the stack of
 * bytes on which text is put together. */
#include "core/model/jinja_vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK_MIN = 8 << 10, CHUNK_MAX = 256 << 10, CLOCK_STEPS = 2048, MEMORY_PER_INPUT = 4 };

const uint8_t nb_jmark_user[1] = {1};

nb_jinja_limits nb_jinja_default_limits(void)
{
    return (nb_jinja_limits){.steps = 1000000, .memory = 8 << 20, .output = 4 << 20, .cpu_ms = 250};
}

/* --- arena ----------------------------------------------------------------------------------- */

struct nb_jchunk {
    nb_jchunk *before;
    _Alignas(16) char bytes[];
};

bool nb_jmem_charge(nb_jmem *m, size_t n)
{
    if (n > m->limit || m->total > m->limit - n)
        return false;
    m->total += n;
    return true;
}

static bool new_chunk(nb_jmem *m, size_t need)
{
    size_t room = m->chunk ? m->room * 2 : CHUNK_MIN;
    if (room > CHUNK_MAX)
        room = CHUNK_MAX;
    if (m->total + room > m->limit || room < need)
        room = need;
    if (!nb_jmem_charge(m, room))
        return false;
    nb_jchunk *c = malloc(sizeof *c + room);
    if (!c) {
        m->dry = true;
        return false;
    }
    c->before = m->chunk;
    m->chunk = c;
    m->at = 0;
    m->room = room;
    return true;
}

void *nb_jmem_take(nb_jmem *m, uint64_t count, size_t size)
{
    uint64_t bytes;
    if (!nb_mul(count, size, &bytes) || !nb_align_up(bytes, 16, &bytes) || bytes > m->limit)
        return NULL;
    if ((!m->chunk || m->room - m->at < bytes) && !new_chunk(m, (size_t)bytes))
        return NULL;
    void *p = m->chunk->bytes + m->at;
    m->at += (size_t)bytes;
    memset(p, 0, (size_t)bytes);
    return p;
}

void nb_jmem_free(nb_jmem *m)
{
    while (m->chunk) {
        nb_jchunk *before = m->chunk->before;
        free(m->chunk);
        m->chunk = before;
    }
    *m = (nb_jmem){0};
}

/* --- template -------------------------------------------------------------------------------- */

static nb_status no_room(const nb_jmem *m, const char *name, uint32_t line, nb_err *err)
{
    if (m->dry)
        return nb_fail(err, NB_NOMEM, "%s: not enough memory", name);
    return nb_fail(err, NB_FORMAT, "%s line %u: needs more than %zu bytes of memory", name, line,
                   m->limit);
}

nb_status(nb_jp_fail)(nb_jparser *p, nb_status status, uint32_t line, const char *fmt, ...)
{
    char text[sizeof p->err->msg];
    va_list ap;
    va_start(ap, fmt);
    nb_elide(text, sizeof text, vsnprintf(text, sizeof text, fmt, ap));
    va_end(ap);
    return nb_fail(p->err, status, "%s line %u: %s", p->t->name, line, text);
}

nb_status nb_jp_take(nb_jparser *p, uint64_t count, size_t size, void *out)
{
    void *got = nb_jmem_take(&p->t->mem, count, size);
    if (!got)
        return no_room(&p->t->mem, p->t->name, p->line, p->err);
    memcpy(out, &got, sizeof got);
    return NB_OK;
}

/* The text with line ends as \n and without the last of them, as Jinja's lexer sees it. */
static nb_status take_text(nb_jparser *p, const char *text, size_t len)
{
    char *to;
    size_t n = 0;
    NB_TRY(nb_jp_take(p, len + 1, 1, &p->t->text));
    to = p->t->text;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')
            continue;
        to[n++] = text[i];
        if (text[i] == '\r')
            to[n - 1] = '\n';
    }
    p->t->len = n - (n > 0 && to[n - 1] == '\n');
    p->at = to;
    p->end = to + p->t->len;
    return NB_OK;
}

static nb_status compile(nb_jinja *t, const char *text, size_t len, const char *name, nb_err *err)
{
    nb_jparser p = {.t = t, .err = err, .line = 1, .line_start = true};
    t->name = "chat template"; /* until it has its own */
    char *copy = NULL;
    NB_TRY(nb_jp_take(&p, strlen(name) + 1, 1, &copy));
    t->name = memcpy(copy, name, strlen(name) + 1);
    if (len > NB_JINJA_TEXT_MAX)
        return nb_fail(err, NB_FORMAT, "%s: %zu bytes, at most %d are read", name, len,
                       NB_JINJA_TEXT_MAX);
    NB_TRY(take_text(&p, text, len));
    return nb_jp_template(&p);
}

nb_status nb_jinja_open(nb_jinja **out, const char *text, size_t len, const char *name,
                        const nb_jinja_limits *limits, nb_err *err)
{
    nb_jinja *t = nb_alloc(1, sizeof *t, "chat template", err);
    if (!t)
        return NB_NOMEM;
    t->limits = limits ? *limits : nb_jinja_default_limits();
    t->mem.limit = t->limits.memory;
    nb_status status = compile(t, text, len, name, err);
    if (status != NB_OK) {
        nb_jinja_close(&t);
        return status;
    }
    *out = t;
    return NB_OK;
}

void nb_jinja_close(nb_jinja **tp)
{
    if (!*tp)
        return;
    nb_jmem_free(&(*tp)->mem);
    free(*tp);
    *tp = NULL;
}

bool nb_jinja_uses(const nb_jinja *t, const char *word)
{
    for (uint32_t i = 1; i < t->n_node; i++)
        if ((t->node[i].kind == NB_JN_ATTR || t->node[i].kind == NB_JN_CONST) &&
            nb_jv_is(&t->node[i].v, NB_JV_STR) && nb_jv_equals_text(&t->node[i].v, word))
            return true;
    return false;
}

bool nb_jinja_names(const nb_jinja *t, const char *variable)
{
    for (uint32_t i = 0; i < t->n_sym; i++)
        if (nb_jv_equals_text(&t->sym[i], variable))
            return true;
    return false;
}

/* --- limits ---------------------------------------------------------------------------------- */

nb_status(nb_jvm_fail)(nb_jvm *vm, nb_status status, const char *fmt, ...)
{
    char text[sizeof vm->err->msg];
    va_list ap;
    va_start(ap, fmt);
    nb_elide(text, sizeof text, vsnprintf(text, sizeof text, fmt, ap));
    va_end(ap);
    return nb_fail(vm->err, status, "%s line %u: %s", vm->t->name, vm->line, text);
}

nb_status(nb_jvm_fail_undefined)(nb_jvm *vm, const nb_jv *v)
{
    return nb_jvm_fail(vm, NB_FORMAT, "%.*s", v->len > 160 ? 160 : (int)v->len, v->at);
}

static double thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

nb_status nb_jvm_step(nb_jvm *vm, uint64_t cost)
{
    vm->steps += cost;
    if (vm->steps < vm->check)
        return NB_OK;
    const nb_jinja_limits *max = &vm->t->limits;
    if (vm->steps > max->steps)
        return nb_jvm_fail(vm, NB_FORMAT, "stopped after %llu steps",
                           (unsigned long long)max->steps);
    if (thread_seconds() > vm->deadline)
        return nb_jvm_fail(vm, NB_FORMAT, "stopped after %u ms", max->cpu_ms);
    vm->check = vm->steps + CLOCK_STEPS < max->steps ? vm->steps + CLOCK_STEPS : max->steps + 1;
    return NB_OK;
}

nb_status nb_jvm_take(nb_jvm *vm, uint64_t count, size_t size, void *out)
{
    NB_TRY(nb_jvm_bulk(vm, count));
    void *got = nb_jmem_take(&vm->mem, count, size);
    if (!got)
        return no_room(&vm->mem, vm->t->name, vm->line, vm->err);
    memcpy(out, &got, sizeof got);
    return NB_OK;
}

nb_status nb_jvm_deeper(nb_jvm *vm)
{
    if (vm->depth == NB_JVM_DEPTH)
        return nb_jvm_fail(vm, NB_FORMAT, "nested deeper than %d calls", NB_JVM_DEPTH);
    vm->depth++;
    return NB_OK;
}

nb_status nb_jvm_push(nb_jvm *vm, const nb_jv *v)
{
    if (vm->sp == NB_JVM_STACK)
        return nb_jvm_fail(vm, NB_FORMAT, "more than %d values at once", NB_JVM_STACK);
    vm->stack[vm->sp++] = *v;
    return NB_OK;
}

/* --- text under construction ----------------------------------------------------------------- */

/* Makes room for `need` elements of `size` in *at, which cannot lie in the arena: it moves. */
static nb_status grow(nb_jvm *vm, void *at, size_t *cap, size_t need, size_t size)
{
    size_t more = *cap ? *cap : 64;
    void *old, *got;
    if (need <= *cap)
        return NB_OK;
    while (more < need)
        more *= 2;
    memcpy(&old, at, sizeof old);
    if (!nb_jmem_charge(&vm->mem, (more - *cap) * size))
        return no_room(&vm->mem, vm->t->name, vm->line, vm->err);
    got = realloc(old, more * size);
    if (!got)
        return nb_fail(vm->err, NB_NOMEM, "%s: not enough memory", vm->t->name);
    memcpy(at, &got, sizeof got);
    *cap = more;
    return NB_OK;
}

static nb_status put_stretch(nb_jvm *vm, bool user)
{
    bool was = vm->n_stretch && vm->stretch[vm->n_stretch - 1].user;
    if (was == user)
        return NB_OK;
    NB_TRY(grow(vm, &vm->stretch, &vm->cap_stretch, vm->n_stretch + 1, sizeof *vm->stretch));
    vm->stretch[vm->n_stretch++] = (nb_jstretch){(uint32_t)vm->n_out, user};
    return NB_OK;
}

nb_status nb_jvm_put(nb_jvm *vm, const char *at, size_t n, bool user)
{
    if (!n)
        return NB_OK;
    NB_TRY(nb_jvm_bulk(vm, n));
    if (n > vm->t->limits.output || vm->n_out > vm->t->limits.output - n)
        return nb_jvm_fail(vm, NB_FORMAT, "the text is longer than %zu bytes",
                           vm->t->limits.output);
    NB_TRY(grow(vm, &vm->out, &vm->cap_out, vm->n_out + n + 1, 1)); /* and a NUL */
    NB_TRY(put_stretch(vm, user));
    memcpy(vm->out + vm->n_out, at, n);
    vm->n_out += n;
    return NB_OK;
}

nb_status nb_jvm_put_str(nb_jvm *vm, const nb_jv *s)
{
    if (!s->mark || s->mark == nb_jmark_user)
        return nb_jvm_put(vm, s->at, s->len, s->mark != NULL);
    for (uint32_t i = 0, n; i < s->len; i += n) {
        for (n = 1; i + n < s->len && s->mark[i + n] == s->mark[i];)
            n++;
        NB_TRY(nb_jvm_put(vm, s->at + i, n, s->mark[i]));
    }
    return NB_OK;
}

/* First stretch that reaches past byte `start`. */
static uint32_t stretch_at(const nb_jvm *vm, size_t start)
{
    uint32_t i = vm->n_stretch;
    while (i > 0 && vm->stretch[i - 1].start > start)
        i--;
    return i ? i - 1 : 0;
}

nb_status nb_jvm_text(nb_jvm *vm, size_t start, nb_jv *out)
{
    size_t n = vm->n_out - start;
    char *at = NULL;
    uint8_t *mark = NULL;
    nb_jv s = nb_jv_text("", 0);
    if (n) {
        NB_TRY(nb_jvm_take(vm, n, 1, &at));
        memcpy(at, vm->out + start, n);
        s = nb_jv_text(at, n);
    }
    uint32_t first = stretch_at(vm, start);
    bool split = vm->n_stretch && (first + 1 < vm->n_stretch || vm->stretch[first].start > start);
    if (n && split) {
        NB_TRY(nb_jvm_take(vm, n, 1, &mark));
        for (uint32_t i = first; i < vm->n_stretch; i++) {
            size_t from = vm->stretch[i].start > start ? vm->stretch[i].start - start : 0;
            memset(mark + from, vm->stretch[i].user, n - from);
        }
        s.mark = mark;
    } else if (n && vm->n_stretch && vm->stretch[first].user) {
        s.mark = nb_jmark_user;
    }
    vm->n_out = start;
    while (vm->n_stretch && vm->stretch[vm->n_stretch - 1].start >= start)
        vm->n_stretch--;
    *out = s;
    return NB_OK;
}

/* --- rendering ------------------------------------------------------------------------------- */

void nb_jinja_text_free(nb_jinja_text *text)
{
    free(text->at);
    free(text->run);
    *text = (nb_jinja_text){0};
}

/* The stack of bytes itself becomes the result. */
static nb_status hand_over(nb_jvm *vm, nb_jinja_text *out)
{
    uint32_t first = vm->n_stretch && vm->stretch[0].start == 0 ? 1 : 0;
    out->run = nb_alloc(vm->n_stretch + 1, sizeof *out->run, "chat template", vm->err);
    if (!out->run)
        return NB_NOMEM;
    NB_TRY(grow(vm, &vm->out, &vm->cap_out, vm->n_out + 1, 1));
    vm->out[vm->n_out] = '\0';
    out->at = vm->out;
    out->len = vm->n_out;
    vm->out = NULL;
    for (uint32_t i = first; i <= vm->n_stretch && vm->n_out; i++) {
        uint32_t end = i < vm->n_stretch ? vm->stretch[i].start : (uint32_t)vm->n_out;
        bool user = i > 0 && vm->stretch[i - 1].user;
        out->run[out->n_run++] = (nb_jinja_run){end, user ? NB_JINJA_USER : NB_JINJA_TEMPLATE};
    }
    return NB_OK;
}

static nb_status prepare(nb_jvm *vm, const nb_jdict *vars)
{
    const nb_jinja *t = vm->t;
    static const char clock_name[] = "strftime_now";
    NB_TRY(nb_jvm_take(vm, NB_JVM_STACK, sizeof *vm->stack, &vm->stack));
    NB_TRY(nb_jvm_take(vm, t->n_sym + 1, sizeof *vm->global, &vm->global));
    for (uint32_t i = 0; i < t->n_sym; i++) {
        const nb_jv *given = vars ? nb_jdict_text(vars, t->sym[i].at, t->sym[i].len) : NULL;
        const nb_jrow *row = nb_jfunc_find(&t->sym[i]);
        if (given)
            vm->global[i] = *given;
        else if (row && (vm->now || !nb_jv_equals_text(&t->sym[i], clock_name)))
            vm->global[i] = (nb_jv){.kind = NB_JV_FUNC, .func = row};
    }
    return NB_OK;
}

nb_status nb_jinja_render(const nb_jinja *t, const nb_jinja_input *in, const nb_jinja_clock *now,
                          nb_jinja_text *out, nb_err *err)
{
    nb_jvm vm = {.t = t, .now = now, .err = err, .line = 1};
    const nb_jdict *vars = NULL;
    *out = (nb_jinja_text){0};
    NB_TRY(nb_jinja_input_vars(in, &vars, err));
    vm.mem.limit = t->limits.memory - t->mem.total;
    if (in)
        vm.mem.limit += MEMORY_PER_INPUT * nb_jinja_input_bytes(in);
    vm.deadline = thread_seconds() + t->limits.cpu_ms * 1e-3;
    nb_status status = prepare(&vm, vars);
    if (status == NB_OK)
        status = nb_jvm_run(&vm, t->root);
    if (status == NB_OK)
        status = hand_over(&vm, out);
    if (status != NB_OK)
        nb_jinja_text_free(out);
    free(vm.out);
    free(vm.stretch);
    nb_jmem_free(&vm.mem);
    return status;
}
