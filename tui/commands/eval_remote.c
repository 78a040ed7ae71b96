/* The protocol "remote, server's tokens": the text is cut into pieces of 4 bytes a token of --ctx,
 * at the last blank before, since only the server knows its tokens; each piece is one request; of
 * each the second half is scored, as llama-perplexity does. Figures are comparable among endpoints
 * of one vocabulary, never with those of files: they are stored with the endpoint as reference.
 *
 * A file's KL from an endpoint needs the same tokens: the endpoint's are looked up among the file's
 * by id where it tells them, else by their spelling; from the first that differs on, the rest of a
 * piece is left out and counted. */
#include "tui/commands/eval_remote.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/job.h"
#include "core/eval/kld_top.h"
#include "core/eval/runs.h"
#include "core/files/library.h"
#include "core/model/tok.h"
#include "tui/commands/eval_match.h"
#include "tui/remote.h"

enum { TEXT_LIMIT = 1 << 30, BYTES_A_TOKEN = 4, TOKENS_MIN = 8 };
#define PROTOCOL "remote, server's tokens"

typedef struct run {
    ui_ctx *ctx;
    const ui_eval_remote *what;
    dl_remote *remote;
    char *text; /* owned */
    size_t len;
    char sha256[65];
    size_t at; /* bytes read */
    uint32_t pieces;
    uint64_t tokens, untold;
    double started;
    char warning[400]; /* "" = none */
    nb_average far;    /* -log p of the endpoint */
    /* Of a divergence: */
    nb_weights *weights;
    nb_model *model;
    nb_tok *tok;
    nk_pool *pool;
    nb_session *session;
    ui_match *match;
    nb_average near, kl, rest_ref, rest;
    uint64_t same_top, unmatched, unknown; /* tokens; unknown: alternatives put into the rest */
} run;

/* --- pieces ---------------------------------------------------------------------------------- */

/* Length of the next piece, up to a blank so that words stay whole; 0 = what is left is too short
 * to be one. */
static size_t next_piece(const run *r)
{
    size_t want = (size_t)r->what->ctx * BYTES_A_TOKEN, left = r->len - r->at;
    const char *s = r->text + r->at;
    if (left <= want)
        return r->at == 0 || left > want / 2 ? left : 0;
    size_t n = want;
    while (n > want / 2 && s[n] != ' ' && s[n] != '\n')
        n--;
    return n > want / 2 ? n : nb_utf8_whole(s, want);
}

static void tell_piece(const run *r)
{
    if (r->ctx->quiet || r->ctx->json)
        return;
    const nb_average *a = r->what->ref ? &r->kl : &r->far;
    double v = r->what->ref ? nb_average_of(a) : exp(nb_average_of(a));
    fprintf(stderr, "[%u]%.4f%s", r->pieces, v, r->ctx->err_tty ? " " : "\n");
}

/* --- perplexity ------------------------------------------------------------------------------ */

static void score_far(run *r, const dl_scores *s)
{
    r->tokens += s->n;
    for (size_t i = s->n / 2; i < s->n; i++) {
        double p = s->at[i].token.logprob;
        if (isnan(p))
            r->untold++;
        else
            nb_average_add(&r->far, -p);
    }
}

/* --- divergence ------------------------------------------------------------------------------ */

typedef struct judged { /* the piece under way */
    run *r;
    const dl_scores *scores;
    ui_matched matched;
} judged;

/* logits at pos speak of the token after it. */
static void judge(void *arg, size_t pos, const float *logits)
{
    const judged *j = arg;
    run *r = j->r;
    size_t i = pos + 1;
    if (i >= j->matched.n)
        return;
    const dl_score *s = &j->scores->at[i];
    uint32_t n_vocab = r->model->hp.n_vocab;
    nb_known ref[DL_SCORE_TOP + 2], mine;
    nb_kld_top k, own;
    size_t n = 0;
    bool top_known = false;
    for (size_t a = 0; a < s->n_top && n < countof(ref); a++) {
        const dl_alternative *alt = &j->scores->top[s->top + a];
        int32_t id = ui_match_id(r->match, j->scores, alt);
        bool twice = false;
        for (size_t b = 0; b < n; b++)
            twice = twice || ref[b].id == id;
        r->unknown += id < 0 || twice;
        top_known = top_known || (a == 0 && id >= 0);
        if (id >= 0 && !twice)
            ref[n++] = (nb_known){id, alt->logprob};
    }
    mine = (nb_known){j->matched.ids[i], 0};
    if (isnan(s->token.logprob) || !nb_kld_top_of(&k, logits, n_vocab, ref, n) ||
        !nb_kld_top_of(&own, logits, n_vocab, &mine, 1)) {
        r->untold++;
        return;
    }
    nb_average_add(&r->kl, k.kl);
    nb_average_add(&r->rest_ref, k.rest_ref);
    nb_average_add(&r->rest, k.rest);
    nb_average_add(&r->near, own.kl); /* of certainty: -log p */
    nb_average_add(&r->far, -s->token.logprob);
    r->same_top += k.same_top && top_known;
}

static nb_status diverge(run *r, const char *text, size_t n, const dl_scores *s,
                         const nb_hooks *hooks, nb_err *err)
{
    judged j = {.r = r, .scores = s};
    r->tokens += s->n;
    nb_status st = ui_match_piece(r->match, text, n, s, &j.matched, err);
    size_t half = s->n / 2, matched = j.matched.n;
    r->unmatched += s->n - (matched > half ? matched : half);
    if (st == NB_OK && matched > nb_session_ctx(r->session))
        st = nb_fail(err, NB_REFUSED, "a piece is %zu tokens long, the context %u: a smaller --ctx",
                     matched, nb_session_ctx(r->session));
    if (st == NB_OK && matched > half)
        st = nb_session_score(r->session, j.matched.ids, matched, half - 1, judge, &j, hooks, err);
    free(j.matched.ids);
    return st;
}

/* --- the run --------------------------------------------------------------------------------- */

static nb_status read_pieces(run *r, nb_err *err)
{
    nb_hooks hooks = ui_ctx_hooks(r->ctx);
    int top = r->what->ref ? DL_SCORE_TOP : 0;
    for (size_t n; (n = next_piece(r)) > 0;) {
        dl_scores s;
        const char *piece = r->text + r->at;
        if (r->what->chunks && r->pieces == r->what->chunks)
            break;
        NB_TRY(dl_remote_score(r->remote, piece, n, top, &s, &hooks, err));
        ui_ctx_done(r->ctx);
        nb_status st = NB_OK;
        if (s.n < TOKENS_MIN)
            st = nb_fail(err, NB_REFUSED, "the text is too short to be scored: %zu tokens", s.n);
        else if (r->what->ref)
            st = diverge(r, piece, n, &s, &hooks, err);
        else
            score_far(r, &s);
        dl_scores_free(&s);
        NB_TRY(st);
        r->at += n;
        r->pieces++;
        tell_piece(r);
    }
    if (r->what->ref && r->kl.n == 0)
        return nb_fail(err, NB_UNSUPPORTED,
                       "the endpoint cuts the text into other tokens than the file: KL needs one "
                       "vocabulary (%llu of %llu tokens matched nothing)",
                       (unsigned long long)r->unmatched, (unsigned long long)r->tokens);
    return NB_OK;
}

static nb_status open_local(run *r, nb_err *err)
{
    char path[1024];
    nb_session_options opt = r->what->session;
    opt.n_ctx = r->what->ctx * BYTES_A_TOKEN; /* a token may be a byte */
    NB_TRY(nb_library_resolve(&r->ctx->cfg, r->what->model, path, sizeof path, err));
    NB_TRY(nb_weights_open(&r->weights, path, err));
    NB_TRY(nb_model_open(&r->model, r->weights, err));
    NB_TRY(nb_tok_open(&r->tok, nb_weights_kvs(r->weights), err));
    NB_TRY(nk_pool_open(&r->pool, r->ctx->threads, err));
    if (r->model->hp.n_ctx_train && opt.n_ctx > r->model->hp.n_ctx_train)
        opt.n_ctx = r->model->hp.n_ctx_train;
    NB_TRY(nb_session_open(&r->session, r->model, &r->ctx->ops, r->pool, &opt, err));
    return ui_match_open(&r->match, r->tok, r->model->hp.n_vocab, err);
}

static void close_run(run *r)
{
    ui_match_close(&r->match);
    nb_session_close(&r->session);
    nk_pool_close(&r->pool);
    nb_tok_close(&r->tok);
    nb_model_close(&r->model);
    nb_weights_close(&r->weights);
    dl_remote_close(&r->remote);
    free(r->text);
}

/* --- what came of it ------------------------------------------------------------------------- */

static double perplexity_err(const nb_average *nll)
{
    return exp(nb_average_of(nll)) * nb_average_err(nll);
}

static void add_double(nb_jout *w, const char *key, double v)
{
    nb_jout_key(w, key);
    nb_jout_double(w, v);
}

static void print_json(const run *r, double seconds)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "model"), nb_jout_str(&w, r->what->model);
    if (r->what->ref)
        nb_jout_key(&w, "ref"), nb_jout_str(&w, r->what->ref);
    if (r->warning[0])
        nb_jout_key(&w, "warning"), nb_jout_str(&w, r->warning);
    nb_jout_key(&w, "text"), nb_jout_str(&w, r->what->file);
    nb_jout_key(&w, "text_sha256"), nb_jout_str(&w, r->sha256);
    nb_jout_key(&w, "protocol"), nb_jout_str(&w, PROTOCOL);
    nb_jout_key(&w, "ctx"), nb_jout_u64(&w, r->what->ctx);
    nb_jout_key(&w, "chunks"), nb_jout_u64(&w, r->pieces);
    nb_jout_key(&w, "tokens"), nb_jout_u64(&w, r->tokens);
    nb_jout_key(&w, "scored"), nb_jout_u64(&w, r->what->ref ? r->kl.n : r->far.n);
    nb_jout_key(&w, "untold"), nb_jout_u64(&w, r->untold);
    if (r->what->ref) {
        add_double(&w, "kl_at_least", nb_average_of(&r->kl));
        add_double(&w, "kl_stderr", nb_average_err(&r->kl));
        add_double(&w, "kl_max", r->kl.max);
        add_double(&w, "same_top", (double)r->same_top / (double)r->kl.n);
        add_double(&w, "rest_ref", nb_average_of(&r->rest_ref));
        add_double(&w, "rest", nb_average_of(&r->rest));
        add_double(&w, "perplexity_ref", exp(nb_average_of(&r->far)));
        nb_jout_key(&w, "unmatched"), nb_jout_u64(&w, r->unmatched);
        nb_jout_key(&w, "unknown"), nb_jout_u64(&w, r->unknown);
    }
    const nb_average *nll = r->what->ref ? &r->near : &r->far;
    add_double(&w, "nll", nb_average_of(nll));
    add_double(&w, "perplexity", exp(nb_average_of(nll)));
    add_double(&w, "stderr", perplexity_err(nll));
    add_double(&w, "tok_per_s", seconds > 0 ? (double)r->tokens / seconds : 0);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void print_ppl(const run *r, double seconds)
{
    printf("perplexity %.4f +/- %.4f, nll %.5f  (%s: %u pieces of about %u, %llu tokens scored, "
           "%.0f tok/s)\n",
           exp(nb_average_of(&r->far)), perplexity_err(&r->far), nb_average_of(&r->far), PROTOCOL,
           r->pieces, r->what->ctx, (unsigned long long)r->far.n,
           seconds > 0 ? (double)r->tokens / seconds : 0);
    if (r->untold)
        printf("  %llu tokens of which the endpoint told nothing are left out\n",
               (unsigned long long)r->untold);
}

static void print_kl(const run *r)
{
    printf("KL at least %.6f +/- %.6f nats a token, at most seen %.4f  (%s: %u pieces of about %u, "
           "%llu tokens scored)\n",
           nb_average_of(&r->kl), nb_average_err(&r->kl), r->kl.max, PROTOCOL, r->pieces,
           r->what->ctx, (unsigned long long)r->kl.n);
    printf("  a lower bound: the endpoint tells its likeliest tokens only, the rest (%.2f%% of it, "
           "%.2f%% here) is one bucket\n",
           100 * nb_average_of(&r->rest_ref), 100 * nb_average_of(&r->rest));
    printf("  same likeliest token %.2f%%  perplexity here %.4f, remote %.4f on the same tokens\n",
           100 * (double)r->same_top / (double)r->kl.n, exp(nb_average_of(&r->near)),
           exp(nb_average_of(&r->far)));
    if (r->unmatched || r->untold || r->unknown)
        printf("  left out: %llu tokens that the file cuts otherwise, %llu of which nothing was "
               "told; %llu alternatives the file does not know count as rest\n",
               (unsigned long long)r->unmatched, (unsigned long long)r->untold,
               (unsigned long long)r->unknown);
}

/* The address with the name behind it, as asked or as the endpoint told it; false = too long. */
static bool full_address(const run *r, const char *url, char *out, size_t cap)
{
    char name[256];
    dl_remote_name(r->remote, name);
    size_t n = strcspn(url, "#");
    int len = snprintf(out, cap, "%.*s#%s", (int)n, url, name);
    return len > 0 && (size_t)len < cap;
}

/* What cannot be stored is no failure of the evaluation. */
static void keep(const run *r, const char *url)
{
    const nb_config *cfg = &r->ctx->cfg;
    const nb_average *nll = r->what->ref ? &r->near : &r->far;
    nb_runs *runs = NULL;
    nb_far f = {.n_ctx = r->what->ctx,
                .chunks = r->pieces,
                .scored = nll->n,
                .ppl = exp(nb_average_of(nll)),
                .ppl_err = perplexity_err(nll)};
    nb_run_key key = {.n_ctx = f.n_ctx, .chunks = f.chunks};
    uint64_t print;
    if (!r->what->plain || !cfg->writable || !full_address(r, url, f.remote, sizeof f.remote) ||
        nb_far_print(f.remote, &print, NULL) != NB_OK || nb_runs_open(&runs, cfg, NULL) != NB_OK)
        return;
    snprintf(key.text, sizeof key.text, "%s", r->sha256);
    snprintf(key.protocol, sizeof key.protocol, "%s", PROTOCOL);
    key.model = print;
    if (r->what->ref) {
        key.model = nb_weights_fingerprint(r->weights);
        key.reference = print;
        f.far_ppl = exp(nb_average_of(&r->far));
        f.kld = nb_average_of(&r->kl);
        f.kld_err = nb_average_err(&r->kl);
        f.same_top = (double)r->same_top / (double)r->kl.n;
    }
    nb_runs_add(runs, NB_RUN_FAR, &key, &f, NULL);
    nb_runs_close(&runs);
}

nb_status ui_eval_remote_run(ui_ctx *ctx, const ui_eval_remote *what, nb_err *err)
{
    run r = {.ctx = ctx, .what = what, .started = nb_now()};
    const char *url = what->ref ? what->ref : what->model;
    if (ui_remote_warning(r.warning, sizeof r.warning, &url, 1) && !ctx->json)
        ui_remote_say(r.warning);
    nb_status st = ui_remote_open(&r.remote, &ctx->cfg, false, url, err);
    if (st == NB_OK)
        st = nb_file_read(&r.text, &r.len, what->file, TEXT_LIMIT, err);
    if (st == NB_OK)
        st = nb_sha256_of(r.text, r.len, r.sha256, err);
    if (st == NB_OK && what->ref)
        st = open_local(&r, err);
    if (st == NB_OK)
        st = read_pieces(&r, err);
    ui_ctx_done(ctx);
    if (r.pieces && !ctx->quiet && !ctx->json && ctx->err_tty)
        fputc('\n', stderr);
    if (st == NB_OK && ctx->json)
        print_json(&r, nb_now() - r.started);
    else if (st == NB_OK && what->ref)
        print_kl(&r);
    else if (st == NB_OK)
        print_ppl(&r, nb_now() - r.started);
    if (st == NB_OK)
        keep(&r, url);
    const char *remedy = r.remote ? dl_remote_remedy(dl_remote_trouble(r.remote)) : "";
    if (st == NB_NETWORK || st == NB_DENIED || st == NB_NOTFOUND)
        ctx->remedy = *remedy ? remedy : NULL;
    close_run(&r);
    return st;
}
