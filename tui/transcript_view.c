/* Reading a chat: paths and branches of the tree, and its exports. */
#include "tui/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t ui_transcript_path(const ui_transcript *t, int pane, int *out, size_t cap)
{
    size_t n = 0;
    for (int i = ui_transcript_leaf(t, pane); i >= 0; i = ui_transcript_at(t, i)->parent)
        n++;
    size_t k = n;
    for (int i = ui_transcript_leaf(t, pane); i >= 0; i = ui_transcript_at(t, i)->parent)
        if (--k < cap)
            out[k] = i;
    return n;
}

static bool siblings(const ui_message *a, const ui_message *b)
{
    return a->parent == b->parent && a->pane == b->pane && a->role == b->role;
}

void ui_transcript_branch(const ui_transcript *t, int message, int *at, int *of)
{
    const ui_message *m = ui_transcript_at(t, message);
    *at = *of = 0;
    for (int i = 0; m && i < (int)ui_transcript_count(t); i++) {
        if (!siblings(m, ui_transcript_at(t, i)))
            continue;
        if (i == message)
            *at = *of;
        ++*of;
    }
}

int ui_transcript_sibling(const ui_transcript *t, int message, int step)
{
    const ui_message *m = ui_transcript_at(t, message);
    int count = (int)ui_transcript_count(t), d = step < 0 ? -1 : 1;
    for (int i = message + d; m && i >= 0 && i < count; i += d)
        if (siblings(m, ui_transcript_at(t, i)))
            return i;
    return -1;
}

long ui_transcript_first_difference(const ui_message *a, const ui_message *b)
{
    size_t n = a->n_token < b->n_token ? a->n_token : b->n_token;
    for (size_t i = 0; i < n; i++)
        if (a->token[i].id != b->token[i].id)
            return (long)i;
    const ui_message *shorter = a->n_token < b->n_token ? a : b;
    bool ended = a->done && b->done && shorter->stop == NB_STOP_END;
    return ended && a->n_token != b->n_token ? (long)n : -1;
}

/* The first token that reaches beyond byte `at`. */
static long token_over(const ui_message *m, size_t at)
{
    size_t lo = 0, hi = m->n_token;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        size_t end = mid + 1 < m->n_token ? m->token[mid + 1].start : m->text.len;
        if (end <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (long)lo;
}

ui_parting ui_transcript_part(const ui_message *a, const ui_message *b, bool by_text)
{
    if (!by_text) {
        long d = ui_transcript_first_difference(a, b);
        return (ui_parting){d, d, 0};
    }
    size_t n = a->text.len < b->text.len ? a->text.len : b->text.len, k = 0;
    while (k < n && a->text.at[k] == b->text.at[k])
        k++;
    const ui_message *shorter = a->text.len < b->text.len ? a : b;
    bool ended = a->done && b->done && shorter->stop == NB_STOP_END;
    if (k == n && (a->text.len == b->text.len || !ended))
        return (ui_parting){-1, -1, 0};
    return (ui_parting){token_over(a, k), token_over(b, k), k};
}

size_t ui_transcript_calls(const ui_message *m, nb_tool_call *out, size_t cap)
{
    nb_thought t = {0};
    const char *text = nb_str_c(&m->text);
    size_t from = nb_chat_thought(text, m->text.len, &t) ? t.answer : 0;
    size_t n = nb_tool_calls(text + from, m->text.len - from, m->tools, out, cap);
    for (size_t i = 0; i < n && i < cap; i++) {
        out[i].at += from;
        out[i].args_at += from;
    }
    return n;
}

void ui_transcript_shifts(const ui_message *m, char *out, size_t cap)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < m->n_token; i++) {
        if (!m->token[i].dropped)
            continue;
        int used = snprintf(out + n, cap - n, "%s %zu", n ? "," : " · shifted at", i);
        if (used < 0 || (size_t)used >= cap - n) {
            nb_elide(out, cap, (int)cap);
            return;
        }
        n += (size_t)used;
    }
}

/* malloc'd; NULL when the pane is empty or memory is gone. */
static int *whole_path(const ui_transcript *t, int pane, size_t *n)
{
    *n = ui_transcript_path(t, pane, NULL, 0);
    int *path = *n ? nb_alloc(*n, sizeof *path, "chat", NULL) : NULL;
    if (path)
        ui_transcript_path(t, pane, path, *n);
    else
        *n = 0;
    return path;
}

static void pane_markdown(const ui_transcript *t, int pane, nb_str *out)
{
    size_t n;
    int *path = whole_path(t, pane, &n);
    if (!path)
        return;
    nb_str_addf(out, "## %c  ", 'A' + pane);
    nb_safe_text(out, ui_transcript_label(t, pane), strlen(ui_transcript_label(t, pane)),
                 NB_SAFE_ONE_LINE);
    nb_str_add(out, "\n\n");
    for (size_t i = 0; i < n; i++) {
        const ui_message *m = ui_transcript_at(t, path[i]);
        char num[48];
        nb_str_addf(out, "**%s**: ", m->role == NB_USER ? "you" : ui_role_word(m->role));
        nb_safe_text(out, nb_str_c(&m->text), m->text.len, 0);
        nb_str_add(out, "\n\n");
        char shifts[96];
        ui_transcript_shifts(m, shifts, sizeof shifts);
        if (m->role == NB_ASSISTANT && m->n_token)
            nb_str_addf(out, "*%zu tokens, %s tok/s, %s%s*\n\n", m->n_token,
                        nb_fmt_fixed(num, m->tok_per_s, 1),
                        m->done ? ui_stop_word(m->stop) : "interrupted", shifts);
    }
    free(path);
}

/* The answer last shown. */
static const ui_message *last_answer(const ui_transcript *t, int pane)
{
    const ui_message *m = ui_transcript_at(t, ui_transcript_leaf(t, pane));
    return m && m->role == NB_ASSISTANT ? m : NULL;
}

long ui_transcript_difference(const ui_transcript *t, int pane)
{
    const ui_message *a = last_answer(t, 0), *b = last_answer(t, pane);
    bool can = pane > 0 && a && b && !ui_transcript_other_vocabulary(t, pane);
    return can ? ui_transcript_part(a, b, ui_transcript_by_text(t, pane)).b : -1;
}

void ui_transcript_markdown(const ui_transcript *t, nb_str *out)
{
    nb_str_addf(out, "# chat %d\n\n", ui_transcript_number(t));
    for (int p = 0; p < UI_PANES; p++)
        pane_markdown(t, p, out);
    for (int p = 1; p < UI_PANES; p++) {
        long d = ui_transcript_difference(t, p);
        if (d >= 0)
            nb_str_addf(out, "first difference of %c from A%s: token %ld\n\n", 'A' + p,
                        ui_transcript_by_text(t, p) ? " by text" : "", d);
    }
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void shifts_json(nb_jout *w, const ui_message *m)
{
    nb_jout_key(w, "shifts");
    nb_jout_array(w);
    for (size_t i = 0; i < m->n_token; i++) {
        if (!m->token[i].dropped)
            continue;
        nb_jout_object(w);
        nb_jout_key(w, "token");
        nb_jout_u64(w, i);
        nb_jout_key(w, "dropped");
        nb_jout_u64(w, m->token[i].dropped);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

/* Arguments as OpenAI's API gives them: JSON in a string. */
static void calls_json(nb_jout *w, const ui_message *m)
{
    nb_tool_call call[UI_CALLS];
    size_t n = ui_transcript_calls(m, call, UI_CALLS);
    nb_jout_key(w, "tool_calls");
    nb_jout_array(w);
    for (size_t i = 0; i < n && i < UI_CALLS; i++) {
        nb_jout_object(w);
        nb_jout_key(w, "name");
        nb_jout_str(w, call[i].name);
        nb_jout_key(w, "arguments");
        nb_jout_strn(w, nb_str_c(&m->text) + call[i].args_at, call[i].args_len);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

/* An endpoint's tokens have no ids but those that its texts were given here. */
static void answer_json(nb_jout *w, const ui_transcript *t, const ui_message *m)
{
    bool remote = ui_transcript_remote(t, m->pane);
    nb_jout_key(w, "text");
    nb_jout_strn(w, nb_str_c(&m->text), m->text.len);
    nb_jout_key(w, "ids");
    nb_jout_array(w);
    for (size_t i = 0; i < m->n_token && !remote; i++)
        nb_jout_i64(w, m->token[i].id);
    nb_jout_array_end(w);
    nb_jout_key(w, "remote");
    nb_jout_bool(w, remote);
    nb_jout_key(w, "tok_per_s");
    nb_jout_double(w, m->tok_per_s);
    nb_jout_key(w, "ttft_s");
    nb_jout_double(w, m->ttft);
    nb_jout_key(w, "prompt_tokens");
    nb_jout_u64(w, m->n_prompt);
    nb_jout_key(w, "reused_tokens");
    nb_jout_u64(w, m->n_reused);
    nb_jout_key(w, "drafted_tokens");
    nb_jout_u64(w, m->n_drafted);
    nb_jout_key(w, "accepted_tokens");
    nb_jout_u64(w, m->n_accepted);
    nb_jout_key(w, "stop");
    nb_jout_str(w, m->done ? ui_stop_word(m->stop) : "interrupted");
    shifts_json(w, m);
    calls_json(w, m);
}

static void difference_json(nb_jout *w, long at)
{
    nb_jout_key(w, "first_difference");
    if (at >= 0)
        nb_jout_i64(w, at);
    else
        nb_jout_null(w);
}

static void prompt_json(nb_jout *w, const ui_transcript *t)
{
    const ui_message *m = ui_transcript_at(t, ui_transcript_leaf(t, 0));
    while (m && m->role != NB_USER)
        m = ui_transcript_at(t, m->parent);
    nb_jout_key(w, "prompt");
    nb_jout_strn(w, m ? nb_str_c(&m->text) : "", m ? m->text.len : 0);
}

static void one_answer(nb_jout *w, const ui_transcript *t, const ui_message *m, long difference)
{
    nb_jout_object(w);
    nb_jout_key(w, "model");
    nb_jout_str(w, ui_transcript_model(t, m->pane));
    answer_json(w, t, m);
    difference_json(w, difference);
    nb_jout_key(w, "compared_by");
    nb_jout_str(w, ui_transcript_by_text(t, m->pane) ? "text" : "tokens");
    nb_jout_object_end(w);
}

/* All answers to the question that the pane's last one answers, oldest first; the earliest
 * difference from the first. */
static long each_answer(nb_jout *w, const ui_transcript *t, int pane)
{
    const ui_message *first = NULL;
    long earliest = -1;
    const ui_message *shown = last_answer(t, pane);
    for (int i = 0; shown && i < (int)ui_transcript_count(t); i++) {
        const ui_message *m = ui_transcript_at(t, i);
        if (!siblings(shown, m))
            continue;
        long d = first ? ui_transcript_first_difference(first, m) : -1;
        first = first ? first : m;
        one_answer(w, t, m, d);
        earliest = d >= 0 && (earliest < 0 || d < earliest) ? d : earliest;
    }
    return earliest;
}

void ui_transcript_answers_json(const ui_transcript *t, bool each, nb_jout *w)
{
    long earliest = -1;
    prompt_json(w, t);
    nb_jout_key(w, "answers");
    nb_jout_array(w);
    for (int p = 0; p < UI_PANES; p++) {
        const ui_message *m = last_answer(t, p);
        if (!m)
            continue;
        long d = each ? each_answer(w, t, p) : ui_transcript_difference(t, p);
        if (!each)
            one_answer(w, t, m, d);
        earliest = d >= 0 && (earliest < 0 || d < earliest) ? d : earliest;
    }
    nb_jout_array_end(w);
    difference_json(w, earliest);
}

static void message_json(nb_jout *w, const ui_transcript *t, const ui_message *m)
{
    nb_jout_object(w);
    nb_jout_key(w, "role");
    nb_jout_str(w, ui_role_word(m->role));
    if (m->role == NB_ASSISTANT) {
        answer_json(w, t, m);
    } else {
        nb_jout_key(w, "text");
        nb_jout_strn(w, nb_str_c(&m->text), m->text.len);
    }
    nb_jout_object_end(w);
}

static void pane_json(nb_jout *w, const ui_transcript *t, int pane)
{
    size_t n;
    int *path = whole_path(t, pane, &n);
    nb_jout_object(w);
    nb_jout_key(w, "pane");
    nb_jout_i64(w, pane);
    nb_jout_key(w, "model");
    nb_jout_str(w, ui_transcript_model(t, pane));
    nb_jout_key(w, "label");
    nb_jout_str(w, ui_transcript_label(t, pane));
    nb_jout_key(w, "messages");
    nb_jout_array(w);
    for (size_t i = 0; i < n; i++)
        message_json(w, t, ui_transcript_at(t, path[i]));
    nb_jout_array_end(w);
    nb_jout_object_end(w);
    free(path);
}

void ui_transcript_json(const ui_transcript *t, nb_jout *w)
{
    nb_jout_key(w, "chat");
    nb_jout_i64(w, ui_transcript_number(t));
    ui_transcript_answers_json(t, false, w);
    nb_jout_key(w, "panes");
    nb_jout_array(w);
    for (int p = 0; p < UI_PANES; p++)
        if (ui_transcript_leaf(t, p) >= 0)
            pane_json(w, t, p);
    nb_jout_array_end(w);
}

/* --- vocabularies ---------------------------------------------------------------------------- */

/* FNV-1a over every piece. */
uint64_t ui_transcript_vocabulary(const nb_tok *t)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint32_t id = 0; id < nb_tok_count(t); id++) {
        const char *bytes = "";
        size_t n = nb_tok_piece(t, (int32_t)id, true, &bytes);
        for (size_t i = 0; i <= n; i++) /* a byte no text holds ends each piece */
            h = (h ^ (i < n ? (unsigned char)bytes[i] : 0xffu)) * 0x100000001b3u;
    }
    return h ? h : 1;
}
