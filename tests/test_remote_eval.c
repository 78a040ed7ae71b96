/* Perplexity of a remote model and a file's divergence from one. The endpoint here is the demo
 * model itself, told in the dialects that servers speak. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/quantize.h"
#include "tests/remote_rig.h"
#include "tests/run_child.h"
#include "tests/util.h"

#include "core/model/session.h"

enum { CTX = 48, CHUNKS = TEST_THIN > 1 ? 1 : 3 };

/* A model that tells of prompts. */
typedef struct oracle {
    nb_weights *w;
    nb_model *m;
    nb_tok *tok;
    nb_session *s;
    bool prompt_logprobs; /* vLLM's dialect, with ids */
    bool marks;           /* tokens are told in SentencePiece's spelling */
    bool silent;          /* tells nothing of prompts */
    bool foreign;         /* cuts text elsewhere */
    double nll;           /* of the second halves, so far */
    unsigned scored;
    /* One request: */
    int32_t ids[512];
    size_t n;
    float *rows; /* [n][n_vocab] log probabilities */
    int top;
} oracle;

static void oracle_open(oracle *o)
{
    nb_err err = {0};
    o->w = quant_open(test_data("nibble-demo"));
    check(nb_model_open(&o->m, o->w, &err) == NB_OK, "%s", err.msg);
    check(nb_tok_open(&o->tok, nb_weights_kvs(o->w), &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&o->s, o->m, quant_ops(), NULL, &(nb_session_options){.n_ctx = 512},
                          &err) == NB_OK,
          "%s", err.msg);
    o->rows = malloc(512 * sizeof(float) * o->m->hp.n_vocab);
}

static void oracle_close(oracle *o)
{
    nb_session_close(&o->s);
    nb_tok_close(&o->tok);
    nb_model_close(&o->m);
    nb_weights_close(&o->w);
    free(o->rows);
}

static void keep_row(void *arg, size_t pos, const float *logits)
{
    oracle *o = arg;
    uint32_t n = o->m->hp.n_vocab;
    double max = -1e30, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        max = fmax(max, (double)logits[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - max);
    for (uint32_t i = 0; i < n; i++)
        o->rows[pos * n + i] = (float)((double)logits[i] - max - log(sum));
}

static void add_piece(nb_jout *w, const oracle *o, int32_t id, bool key)
{
    const char *text;
    size_t n = nb_tok_piece(o->tok, id, true, &text);
    nb_str s = {0};
    for (size_t i = 0; i < n; i++)
        nb_str_add(&s, o->marks && text[i] == ' ' ? "\xe2\x96\x81" : (char[]){text[i], 0});
    if (key)
        nb_jout_key(w, nb_str_c(&s));
    else
        nb_jout_str(w, nb_str_c(&s));
    nb_str_free(&s);
}

/* The likeliest at this place, and the token that stands there first. */
static size_t likely(const oracle *o, size_t at, int32_t *out)
{
    const float *row = &o->rows[(at - 1) * o->m->hp.n_vocab];
    size_t n = 0;
    out[n++] = o->ids[at];
    for (int k = 0; k < o->top; k++) {
        int32_t best = -1;
        for (int32_t i = 0; i < (int32_t)o->m->hp.n_vocab; i++) {
            bool used = false;
            for (size_t j = 1; j < n; j++)
                used = used || out[j] == i;
            if (!used && (best < 0 || row[i] > row[best]))
                best = i;
        }
        out[n++] = best;
    }
    return n;
}

static void tell_vllm(nb_jout *w, oracle *o)
{
    nb_jout_key(w, "prompt_logprobs"), nb_jout_array(w), nb_jout_null(w);
    for (size_t at = 1; at < o->n; at++) {
        int32_t id[32];
        size_t n = likely(o, at, id);
        nb_jout_object(w);
        for (size_t i = 0; i < n; i++) {
            char key[16];
            if (i > 0 && id[i] == id[0])
                continue;
            snprintf(key, sizeof key, "%d", id[i]);
            nb_jout_key(w, key), nb_jout_object(w);
            nb_jout_key(w, "logprob");
            nb_jout_double(w, (double)o->rows[(at - 1) * o->m->hp.n_vocab + (uint32_t)id[i]]);
            nb_jout_key(w, "decoded_token"), add_piece(w, o, id[i], false);
            nb_jout_object_end(w);
        }
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
}

static bool told_before(const oracle *o, const int32_t *id, size_t i)
{
    const char *a, *b;
    size_t n = nb_tok_piece(o->tok, id[i], true, &a);
    for (size_t j = 0; j < i; j++)
        if (nb_tok_piece(o->tok, id[j], true, &b) == n && memcmp(a, b, n) == 0)
            return true;
    return false;
}

static void tell_echo(nb_jout *w, oracle *o)
{
    nb_jout_key(w, "logprobs"), nb_jout_object(w);
    nb_jout_key(w, "tokens"), nb_jout_array(w);
    for (size_t at = 0; at < o->n; at++)
        add_piece(w, o, o->ids[at], false);
    nb_jout_str(w, " made");
    nb_jout_array_end(w);
    nb_jout_key(w, "token_logprobs"), nb_jout_array(w), nb_jout_null(w);
    for (size_t at = 1; at < o->n; at++)
        nb_jout_double(w, (double)o->rows[(at - 1) * o->m->hp.n_vocab + (uint32_t)o->ids[at]]);
    nb_jout_double(w, -3);
    nb_jout_array_end(w);
    nb_jout_key(w, "top_logprobs"), nb_jout_array(w), nb_jout_null(w);
    for (size_t at = 1; at < o->n; at++) {
        int32_t id[32];
        size_t n = likely(o, at, id);
        nb_jout_object(w);
        for (size_t i = 0; i < n; i++) {
            if (told_before(o, id, i))
                continue;
            add_piece(w, o, id[i], true);
            nb_jout_double(w, (double)o->rows[(at - 1) * o->m->hp.n_vocab + (uint32_t)id[i]]);
        }
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w), nb_jout_object_end(w);
}

/* Answers one request of /completions. */
static void complete(void *ud, const char *json, nb_str *out)
{
    oracle *o = ud;
    nb_json *doc = NULL;
    const char *prompt = "";
    int64_t top = 1;
    nb_err err;
    check(nb_json_parse(&doc, json, strlen(json), 1 << 20, "request", &err) == NB_OK, "%s",
          err.msg);
    const nb_jval *root = nb_json_root(doc);
    nb_jstr(nb_jget(root, "prompt"), &prompt);
    nb_jint(nb_jget(root, o->prompt_logprobs ? "prompt_logprobs" : "logprobs"), &top);
    o->top = (int)top;
    o->n = nb_tok_encode(o->tok, prompt, strlen(prompt), NB_TOK_BOS, o->ids, 512);
    if (o->foreign)
        for (size_t i = 1; i + 1 < o->n; i++)
            o->ids[i] = 300;
    check(nb_session_score(o->s, o->ids, o->n, 0, keep_row, o, NULL, &err) == NB_OK, "%s", err.msg);
    for (size_t at = o->n / 2; at < o->n; at++) {
        o->nll -= (double)o->rows[(at - 1) * o->m->hp.n_vocab + (uint32_t)o->ids[at]];
        o->scored++;
    }
    nb_jout w = nb_jout_make(out);
    nb_jout_object(&w);
    nb_jout_key(&w, "choices"), nb_jout_array(&w), nb_jout_object(&w);
    nb_jout_key(&w, "text"), nb_jout_str(&w, " made");
    if (!o->silent)
        (o->prompt_logprobs ? tell_vllm : tell_echo)(&w, o);
    nb_jout_object_end(&w), nb_jout_array_end(&w), nb_jout_object_end(&w);
    nb_json_close(&doc);
}

static remote_server *serve(oracle *o)
{
    oracle_open(o);
    return remote_server_start(&(remote_how){.complete = complete, .ud = o});
}

static child eval(const char *model, const char *ref, bool json)
{
    char ctx[8], chunks[8];
    const char *text = test_data("eval.txt");
    snprintf(ctx, sizeof ctx, "%d", CTX);
    snprintf(chunks, sizeof chunks, "%d", CHUNKS);
    child_how how = {.args = {"eval", model, "-f", text, "-c", ctx, "--chunks", chunks}};
    int n = 8;
    if (json)
        how.args[n++] = "--json";
    if (ref) {
        how.args[n++] = "--ref";
        how.args[n++] = ref;
    }
    return child_run(&how);
}

static double number(const nb_json *doc, const char *key)
{
    double d = NAN;
    check(nb_jnum(nb_jget(nb_json_root(doc), key), &d), "no %s", key);
    return d;
}

CHECK_TEST(remote_eval, perplexity_is_what_the_endpoint_tells_in_every_dialect)
{
    for (int dialect = 0; dialect < 3; dialect++) {
        oracle o = {.prompt_logprobs = dialect == 1, .marks = dialect == 2};
        const char *protocol = "";
        remote_server *s = serve(&o);
        child c = eval(remote_server_model(s), NULL, true);
        check(c.code == 0, "%s", c.err);
        nb_json *doc = child_json(&c);
        double want = o.nll / o.scored;
        check(number(doc, "scored") == o.scored && o.scored > CHUNKS * CTX / 3, "%u scored",
              o.scored);
        check(fabs(number(doc, "nll") - want) < 1e-5, "%g, expected %g", number(doc, "nll"), want);
        check(fabs(number(doc, "perplexity") - exp(want)) < 1e-4 * exp(want), "perplexity");
        check(number(doc, "stderr") > 0 && number(doc, "untold") == 0, "stderr");
        check(nb_jstr(nb_jget(nb_json_root(doc), "protocol"), &protocol) &&
                  strcmp(protocol, "remote, server's tokens") == 0,
              "%s", protocol);
        check(remote_server_count(s) == CHUNKS, "%zu requests", remote_server_count(s));
        nb_json_close(&doc);
        child_free(&c);
        remote_server_stop(&s);
        oracle_close(&o);
    }
}

CHECK_TEST(remote_eval, a_file_differs_from_itself_by_nothing)
{
    for (int dialect = 0; dialect < 3; dialect++) {
        oracle o = {.prompt_logprobs = dialect == 1, .marks = dialect == 2};
        remote_server *s = serve(&o);
        child c = eval("demo", remote_server_model(s), true);
        check(c.code == 0, "dialect %d: %s", dialect, c.err);
        nb_json *doc = child_json(&c);
        check(number(doc, "kl_at_least") < 1e-5 && number(doc, "same_top") == 1, "dialect %d: %s",
              dialect, c.out);
        check(fabs(number(doc, "perplexity") - number(doc, "perplexity_ref")) <
                  1e-3 * number(doc, "perplexity"),
              "%s", c.out);
        check(number(doc, "unmatched") == 0 && number(doc, "scored") > CHUNKS * CTX / 3, "%s",
              c.out);
        check(fabs(number(doc, "rest") - number(doc, "rest_ref")) < 1e-4, "%s", c.out);
        nb_json_close(&doc);
        child_free(&c);
        remote_server_stop(&s);
        oracle_close(&o);
    }
}

/* The exact KL of the same places, over the whole vocabulary. */
static double exact_kl(oracle *o, const char *file)
{
    oracle q = {0};
    nb_err err = {0};
    size_t len, at = 0, n_vocab = o->m->hp.n_vocab;
    double sum = 0;
    unsigned count = 0;
    char *text = test_slurp(test_data("eval.txt"), &len);
    q.w = quant_open(file);
    check(nb_model_open(&q.m, q.w, &err) == NB_OK, "%s", err.msg);
    check(nb_session_open(&q.s, q.m, quant_ops(), NULL, &(nb_session_options){.n_ctx = 512},
                          &err) == NB_OK,
          "%s", err.msg);
    q.rows = malloc(512 * sizeof(float) * n_vocab);
    for (int piece = 0; piece < CHUNKS; piece++) {
        size_t n = CTX * 4;
        while (text[at + n] != ' ' && text[at + n] != '\n')
            n--;
        o->n = nb_tok_encode(o->tok, text + at, n, NB_TOK_BOS, o->ids, 512);
        check(nb_session_score(o->s, o->ids, o->n, 0, keep_row, o, NULL, &err) == NB_OK, "%s",
              err.msg);
        check(nb_session_score(q.s, o->ids, o->n, 0, keep_row, &q, NULL, &err) == NB_OK, "%s",
              err.msg);
        for (size_t i = o->n / 2; i < o->n; i++, count++)
            for (size_t v = 0; v < n_vocab; v++) {
                double p = (double)o->rows[(i - 1) * n_vocab + v];
                sum += exp(p) * (p - (double)q.rows[(i - 1) * n_vocab + v]);
            }
        at += n;
    }
    nb_session_close(&q.s);
    nb_model_close(&q.m);
    nb_weights_close(&q.w);
    free(q.rows);
    free(text);
    return sum / count;
}

CHECK_TEST(remote_eval, the_divergence_told_is_a_lower_bound)
{
    char file[600];
    snprintf(file, sizeof file, "%s", test_path(test_tmpdir(), "q2.gguf"));
    child made = child_run(
        &(child_how){.args = {"quantize", "demo", "-t", "Q2_K", "-o", file, "--force", "-q"}});
    check(made.code == 0, "%s", made.err);
    child_free(&made);
    oracle o = {0};
    remote_server *s = serve(&o);
    child c = eval(file, remote_server_model(s), true);
    check(c.code == 0, "%s", c.err);
    nb_json *doc = child_json(&c);
    double kl = number(doc, "kl_at_least"), exact = exact_kl(&o, file);
    check(kl > 0.3 * exact && kl <= exact * (1 + 1e-6), "%g told, %g in truth", kl, exact);
    nb_json_close(&doc);
    child_free(&c);
    c = eval(file, remote_server_model(s), false);
    check(strstr(c.out, "KL at least ") && strstr(c.out, "a lower bound") &&
              strstr(c.out, "remote, server's tokens"),
          "%s", c.out);
    child_free(&c);
    remote_server_stop(&s);
    oracle_close(&o);
    unlink(file);
}

CHECK_TEST(remote_eval, who_tells_nothing_is_said_so)
{
    oracle o = {.silent = true};
    remote_server *s = serve(&o);
    child c = eval(remote_server_model(s), NULL, false);
    check(c.code == 3 && strstr(c.err, "tells no log probabilities of a prompt"), "%d: %s", c.code,
          c.err);
    child_free(&c);
    remote_server_set(s, &(remote_how){0}); /* as llama.cpp's server */
    c = eval(remote_server_model(s), NULL, false);
    check(c.code == 3 && strstr(c.err, "llama.cpp's server and Ollama do not"), "%d: %s", c.code,
          c.err);
    child_free(&c);
    remote_server_stop(&s);
    oracle_close(&o);
}

CHECK_TEST(remote_eval, other_tokens_are_not_compared)
{
    oracle o = {.foreign = true};
    remote_server *s = serve(&o);
    child c = eval("demo", remote_server_model(s), false);
    check(c.code == 3 && strstr(c.err, "KL needs one vocabulary"), "%d: %s", c.code, c.err);
    child_free(&c);
    remote_server_stop(&s);
    oracle_close(&o);
}

CHECK_TEST(remote_eval, what_cannot_be_asked_is_a_usage_error)
{
    static const char url[] = "https://a.example/v1#m";
    static const char *const rows[][8] = {
        {"eval", url},
        {"eval", url, "-f", "x", "--ref", url},
        {"eval", url, "-f", "x", "--protocol", "papers"},
        {"eval", url, "-f", "x", "--dry-run"},
        {"eval", url, "-f", "x", "--cache-type-k", "q8_0"},
        {"eval", url, "-f", "x", "--lora", "y"},
        {"eval", "demo", "-f", "x", "--lora", "y", "--ref", url},
        {"eval", "https://u:hunter2@a.example/v1#m", "-f", "x"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        child_how how = {0};
        for (int k = 0; k < 8 && rows[i][k]; k++)
            how.args[k] = rows[i][k];
        child c = child_run(&how);
        check(c.code == 2 && !strstr(c.err, "hunter2"), "row %zu: %d: %s", i, c.code, c.err);
        child_free(&c);
    }
}

/* --- what is stored -------------------------------------------------------------------------- */

static const nb_jval *row_of(const nb_json *doc, const char *list, const char *key,
                             const char *value)
{
    const char *s;
    for (const nb_jval *v = nb_jfirst(nb_jget(nb_json_root(doc), list)); v; v = nb_jnext(v))
        if (nb_jstr(nb_jget(v, key), &s) && strcmp(s, value) == 0)
            return v;
    return NULL;
}

static child compare(const char *file, const char *far, bool json)
{
    child_how how = {.args = {"compare", "demo", file, "--stored", "--no-facts"}};
    size_t n = 5;
    if (json)
        how.args[n++] = "--json";
    how.args[n] = far; /* a NULL ends the words */
    return child_run(&how);
}

/* compare tells the endpoint's runs with its address, apart from what can be ranked. */
CHECK_TEST(remote_eval, results_are_stored_and_compare_ranks_them_with_no_others)
{
    char file[600];
    double kl, kept = NAN;
    snprintf(file, sizeof file, "%s", test_path(test_tmpdir(), "far-q4.gguf"));
    child c = child_run(&(child_how){.args = {"quantize", "demo", "-t", "Q4_0", "-o", file, "-q"}});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    oracle o = {0};
    remote_server *s = serve(&o);
    const char *address = remote_server_model(s);
    for (int twice = 0; twice < 2; twice++) { /* the later one counts, once */
        c = eval(file, address, true);
        check(c.code == 0, "%s", c.err);
        nb_json *doc = child_json(&c);
        kl = number(doc, "kl_at_least");
        nb_json_close(&doc);
        child_free(&c);
    }
    c = eval(remote_server_base(s), NULL, true); /* without a name: the endpoint tells it */
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    c = compare(file, address, true);
    check(c.code == 0, "%s", c.err);
    nb_json *doc = child_json(&c);
    const nb_jval *mine = row_of(doc, "remote", "model", "far-q4.gguf"),
                  *own = row_of(doc, "remote", "model", address),
                  *ranked = row_of(doc, "files", "file", file);
    const char *ref = "";
    check(nb_jlen(nb_jget(nb_json_root(doc), "remote")) == 2 && mine && own, "%s", c.out);
    check(nb_jnum(nb_jget(mine, "kl_at_least"), &kept) && fabs(kept - kl) < 1e-12 &&
              nb_jstr(nb_jget(mine, "reference"), &ref) && strcmp(ref, address) == 0,
          "%g: %s", kl, c.out);
    check(ranked && nb_jkind_of(nb_jget(ranked, "kld")) == NB_JNULL &&
              nb_jkind_of(nb_jget(ranked, "ppl")) == NB_JNULL,
          "a remote figure stands among the ranked: %s", c.out);
    nb_json_close(&doc);
    child_free(&c);
    c = compare(file, NULL, false);
    check(strstr(c.out, "not ranked") && strstr(c.out, "far-q4.gguf: KL at least ") &&
              strstr(c.out, address) && !strstr(c.out, "/v1#far: perplexity"),
          "%s", c.out);
    child_free(&c);
    remote_server_stop(&s);
    oracle_close(&o);
    unlink(file);
}

/* --- keys in clear --------------------------------------------------------------------------- */

/* 0.0.0.0 reaches this machine and is none of its names. */
CHECK_TEST(remote_eval, a_key_that_travels_unencrypted_is_said_once)
{
    char model[128], config[800], path[700];
    const char *text = test_data("eval.txt");
    oracle o = {0};
    remote_server *s = serve(&o);
    snprintf(model, sizeof model, "http://0.0.0.0%s", strrchr(remote_server_model(s), ':'));
    snprintf(path, sizeof path, "%s", test_path(test_tmpdir(), "clear"));
    snprintf(config, sizeof config, "XDG_CONFIG_HOME=%s", path);
    static const char key[] = "NIBBLE_API_KEY=hunter2", none[] = "NIBBLE_API_KEY=";
    child c = child_run(&(child_how){.args = {"config", "remote-http", "on"}, .env = {config}});
    check(c.code == 0, "%s", c.err);
    child_free(&c);
    child_how how = {.args = {"eval", model, "-f", text, "-c", "48", "--chunks", "2"},
                     .env = {config, key}};
    c = child_run(&how);
    const char *said = strstr(c.err, "the key in NIBBLE_API_KEY travels unencrypted to 0.0.0.0:");
    check(c.code == 0 && said && !strstr(said + 1, "the key in"), "%s", c.err);
    check(!strstr(c.err, "hunter2"), "the key is told");
    child_free(&c);
    how.args[8] = "--json";
    c = child_run(&how);
    check(c.code == 0 && strstr(c.out, "\"warning\":\"the key in NIBBLE_API_KEY") &&
              !strstr(c.err, "unencrypted"),
          "%s%s", c.out, c.err);
    child_free(&c);
    how.env[1] = none;
    c = child_run(&how);
    check(c.code == 0 && !strstr(c.out, "warning"), "without a key: %s%s", c.out, c.err);
    child_free(&c);
    how.env[1] = key;
    how.args[1] = remote_server_model(s);
    c = child_run(&how);
    check(c.code == 0 && !strstr(c.out, "warning"), "to this machine: %s%s", c.out, c.err);
    child_free(&c);
    child_how chat = {.args = {"chat", model, model, "-p", "Hello"}, .env = {config, key}};
    c = child_run(&chat);
    said = strstr(c.err, "travels unencrypted");
    check(c.code == 0 && said && !strstr(said + 1, "travels"), "%s", c.err);
    child_free(&c);
    chat.args[5] = "--json";
    c = child_run(&chat);
    check(c.code == 0 && strstr(c.out, "\"warning\":\"the key"), "%s%s", c.out, c.err);
    child_free(&c);
    remote_server_stop(&s);
    oracle_close(&o);
}
