/* tokenize: a text through a model's tokenizer. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/file.h"
#include "core/files/library.h"
#include "core/files/weights.h"
#include "core/model/tok.h"
#include "tui/commands/cmd.h"

enum { PROMPT_LIMIT = 64 << 20 };

enum { T_PROMPT, T_FILE, T_BOS, T_EOS, T_SPECIAL, T_COUNT };
static const ui_opt tokenize_opt[T_COUNT] = {
    {"prompt", 'p', UI_OPT_TEXT, "TEXT", "standard input", 0, 0, "the text"},
    {"file", 'f', UI_OPT_FILE, "FILE", NULL, 0, 0, "read the text from a file"},
    {"bos", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "BOS in front, if the model wants one"},
    {"eos", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "EOS behind, if the model wants one"},
    {"special", 0, UI_OPT_FLAG, NULL, NULL, 0, 0, "spellings of special tokens become them"},
};

static nb_status text_arg(nb_str *out, const ui_ctx *ctx, nb_err *err)
{
    const ui_arg *o = ctx->opt;
    if (o[T_PROMPT].set) {
        nb_str_add(out, o[T_PROMPT].text);
        return NB_OK;
    }
    if (o[T_FILE].set) {
        char *bytes;
        size_t n;
        NB_TRY(nb_file_read(&bytes, &n, o[T_FILE].text, PROMPT_LIMIT, err));
        nb_str_addn(out, bytes, n);
        free(bytes);
        return out->failed ? nb_fail(err, NB_NOMEM, "text: %zu bytes", n) : NB_OK;
    }
    char buf[4096];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, stdin)) > 0) {
        nb_str_addn(out, buf, n);
        if (out->len > PROMPT_LIMIT)
            return nb_fail(err, NB_REFUSED, "standard input: longer than %d bytes", PROMPT_LIMIT);
    }
    return NB_OK;
}

static void special_json(nb_jout *w, const nb_tok *tok, const char *name, int32_t id, unsigned flag)
{
    nb_jout_key(w, name), nb_jout_object(w);
    nb_jout_key(w, "id");
    if (id < 0)
        nb_jout_null(w);
    else
        nb_jout_i64(w, id);
    nb_jout_key(w, "wanted"), nb_jout_bool(w, nb_tok_adds(tok, flag));
    nb_jout_object_end(w);
}

static void tokenize_json(const nb_tok *tok, const int32_t *ids, size_t n)
{
    nb_str text = {0};
    nb_jout w = nb_jout_make(&text);
    nb_jout_object(&w);
    nb_jout_key(&w, "count"), nb_jout_u64(&w, n);
    nb_jout_key(&w, "ids"), nb_jout_array(&w);
    for (size_t i = 0; i < n; i++)
        nb_jout_i64(&w, ids[i]);
    nb_jout_array_end(&w);
    nb_jout_key(&w, "pieces"), nb_jout_array(&w);
    for (size_t i = 0; i < n; i++) {
        const char *piece;
        size_t len = nb_tok_piece(tok, ids[i], true, &piece);
        nb_jout_strn(&w, piece, len);
    }
    nb_jout_array_end(&w);
    special_json(&w, tok, "bos", nb_tok_bos(tok), NB_TOK_BOS);
    special_json(&w, tok, "eos", nb_tok_eos(tok), NB_TOK_EOS);
    nb_jout_object_end(&w);
    puts(nb_str_c(&text));
    nb_str_free(&text);
}

static void tokenize_text(const nb_tok *tok, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *piece;
        size_t len = nb_tok_piece(tok, ids[i], true, &piece);
        nb_str safe = {0};
        nb_safe_text(&safe, piece, len, NB_SAFE_ONE_LINE);
        printf("%6d  '%s'\n", ids[i], nb_str_c(&safe));
        nb_str_free(&safe);
    }
}

static nb_status run_tokenize(ui_ctx *ctx, nb_err *err)
{
    char path[1024];
    nb_weights *w = NULL;
    nb_tok *tok = NULL;
    nb_str text = {0};
    int32_t *ids = NULL;
    const ui_arg *o = ctx->opt;
    unsigned flags = (o[T_BOS].flag ? NB_TOK_BOS : 0u) | (o[T_EOS].flag ? NB_TOK_EOS : 0u) |
                     (o[T_SPECIAL].flag ? NB_TOK_SPECIAL : 0u);
    nb_status st = nb_library_resolve(&ctx->cfg, ctx->args[0], path, sizeof path, err);
    if (st == NB_OK)
        st = nb_weights_open(&w, path, err);
    if (st == NB_OK)
        st = nb_tok_open(&tok, nb_weights_kvs(w), err);
    if (st == NB_OK)
        st = text_arg(&text, ctx, err);
    if (st == NB_OK) {
        size_t n = nb_tok_encode(tok, nb_str_c(&text), text.len, flags, NULL, 0);
        ids = nb_alloc(n ? n : 1, sizeof *ids, "token ids", err);
        st = ids ? NB_OK : NB_NOMEM;
        if (ids) {
            nb_tok_encode(tok, nb_str_c(&text), text.len, flags, ids, n);
            (ctx->json ? tokenize_json : tokenize_text)(tok, ids, n);
        }
    }
    free(ids);
    nb_str_free(&text);
    nb_tok_close(&tok);
    nb_weights_close(&w);
    return st;
}

const ui_cmd ui_cmd_tokenize = {
    .name = "tokenize",
    .args = "MODEL [-p TEXT]",
    .summary = "token ids of a text",
    .details = "JSON keys: count, ids[], pieces[], bos and eos (id, null = none; wanted: the model "
               "asks for\n"
               "it around a text, as tokenizer.ggml.add_bos_token and add_eos_token say).",
    .opt = tokenize_opt,
    .n_opt = T_COUNT,
    .min_args = 1,
    .max_args = 1,
    .run = run_tokenize,
};
