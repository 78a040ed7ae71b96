#include "tui/hub_out.h"

#include <stdio.h>
#include <string.h>

#include "tui/twin.h"

bool ui_parse_size(const char *text, uint64_t *out)
{
    static const struct {
        char unit;
        double scale;
    } units[] = {{'k', 1e3}, {'m', 1e6}, {'g', 1e9}, {'t', 1e12}};
    char number[40];
    size_t n = strlen(text);
    double scale = 1, v;
    if (n && (text[n - 1] == 'b' || text[n - 1] == 'B'))
        n--;
    for (size_t i = 0; n && i < countof(units); i++)
        if ((text[n - 1] | 0x20) == units[i].unit) {
            scale = units[i].scale;
            n--;
            break;
        }
    if (n == 0 || n >= sizeof number)
        return false;
    snprintf(number, sizeof number, "%.*s", (int)n, text);
    if (!nb_parse_double(number, &v) || v < 0 || v * scale > 9e18)
        return false;
    *out = (uint64_t)(v * scale);
    return true;
}

const char *ui_hub_params(char out[16], const dl_model *m)
{
    const char *about = m->params_guessed ? "~" : "";
    if (!m->params)
        snprintf(out, 16, "?");
    else if (m->params < 999500000) /* more is 1000M when rounded */
        snprintf(out, 16, "%s%.3gM", about, (double)m->params / 1e6);
    else
        snprintf(out, 16, "%s%.1fB", about, (double)m->params / 1e9);
    return out;
}

const char *ui_hub_count(char out[16], int64_t n)
{
    if (n < 0)
        snprintf(out, 16, "?");
    else if (n < 10000)
        snprintf(out, 16, "%lld", (long long)n);
    else if (n < 999500)
        snprintf(out, 16, "%.0fk", (double)n / 1e3);
    else
        snprintf(out, 16, "%.1fM", (double)n / 1e6);
    return out;
}

const char *ui_hub_gate(dl_gate g)
{
    static const char *const name[] = {"false", "auto", "manual"};
    return (unsigned)g < countof(name) ? name[g] : "?";
}

const char *ui_hub_kind(dl_choice_kind k)
{
    static const char *const name[] = {"checkpoint", "gguf", "mmproj", "file"};
    return (unsigned)k < countof(name) ? name[k] : "?";
}

static bool is_weights(const dl_choice *c)
{
    return c->kind == DL_CHOICE_CHECKPOINT || c->kind == DL_CHOICE_GGUF;
}

double ui_hub_bpw(const dl_repo *repo, const nb_entry *e, const dl_choice *c)
{
    uint64_t params = e && e->params               ? e->params
                      : repo->model.params_guessed ? 0
                                                   : repo->model.params;
    return params && is_weights(c) ? (double)c->bytes * 8 / (double)params : 0;
}

bool ui_hub_fit(const nb_entry *e, const dl_choice *c, uint32_t ctx, bool kv_f32,
                uint64_t available, nb_fit *out)
{
    if (!e || !e->n_layer || !e->n_embd || !e->n_head || !is_weights(c))
        return false;
    nb_hparams hp = nb_fit_hparams(e);
    if (hp.n_ctx_train && ctx > hp.n_ctx_train)
        ctx = hp.n_ctx_train;
    *out = nb_fit_of(&hp, c->bytes, ctx, kv_f32, available);
    return true;
}

static void optional(nb_jout *w, const char *key, int64_t v)
{
    nb_jout_key(w, key);
    if (v < 0)
        nb_jout_null(w);
    else
        nb_jout_i64(w, v);
}

void ui_hub_json_model(nb_jout *w, const dl_model *m)
{
    nb_jout_object(w);
    nb_jout_key(w, "id"), nb_jout_str(w, m->id);
    nb_jout_key(w, "author"), nb_jout_str(w, m->author);
    nb_jout_key(w, "commit"), nb_jout_str(w, m->sha);
    nb_jout_key(w, "task"), nb_jout_str(w, m->task);
    nb_jout_key(w, "library"), nb_jout_str(w, m->library);
    nb_jout_key(w, "license"), nb_jout_str(w, m->license);
    nb_jout_key(w, "base_model"), nb_jout_str(w, m->base_model);
    nb_jout_key(w, "base_relation"), nb_jout_str(w, m->base_relation);
    nb_jout_key(w, "gated"), nb_jout_str(w, ui_hub_gate(m->gated));
    nb_jout_key(w, "private"), nb_jout_bool(w, m->private_repo);
    nb_jout_key(w, "gguf"), nb_jout_bool(w, m->gguf);
    optional(w, "downloads", m->downloads);
    optional(w, "likes", m->likes);
    nb_jout_key(w, "updated"), nb_jout_i64(w, m->updated);
    nb_jout_key(w, "params"), nb_jout_u64(w, m->params);
    nb_jout_key(w, "params_guessed"), nb_jout_bool(w, m->params_guessed);
    nb_jout_key(w, "bytes"), nb_jout_u64(w, m->bytes);
    nb_jout_object_end(w);
}

static void json_choice(nb_jout *w, const dl_repo *repo, const dl_choice *c, const nb_entry *e,
                        uint32_t ctx, bool kv_f32, uint64_t available)
{
    nb_fit fit;
    nb_jout_object(w);
    nb_jout_key(w, "name"), nb_jout_str(w, c->name);
    nb_jout_key(w, "kind"), nb_jout_str(w, ui_hub_kind(c->kind));
    nb_jout_key(w, "bytes"), nb_jout_u64(w, c->bytes);
    nb_jout_key(w, "bpw"), nb_jout_double(w, ui_hub_bpw(repo, e, c));
    nb_jout_key(w, "complete"), nb_jout_bool(w, c->complete);
    nb_jout_key(w, "files"), nb_jout_array(w);
    for (size_t i = 0; i < c->n_file; i++)
        nb_jout_str(w, repo->file[c->file[i]].path);
    nb_jout_array_end(w);
    if (ui_hub_fit(e, c, ctx, kv_f32, available, &fit))
        ui_twin_fit(w, &fit);
    nb_jout_object_end(w);
}

void ui_hub_json_repo(nb_jout *w, const dl_repo *repo, const dl_choices *choices, const nb_entry *e,
                      uint32_t ctx, bool kv_f32, uint64_t available)
{
    nb_jout_key(w, "choices"), nb_jout_array(w);
    for (size_t i = 0; i < choices->n; i++)
        if (choices->at[i].kind != DL_CHOICE_FILE)
            json_choice(w, repo, &choices->at[i], e, ctx, kv_f32, available);
    nb_jout_array_end(w);
    nb_jout_key(w, "files"), nb_jout_array(w);
    for (size_t i = 0; i < repo->n_file; i++) {
        const dl_file *f = &repo->file[i];
        nb_jout_object(w);
        nb_jout_key(w, "path"), nb_jout_str(w, f->path);
        nb_jout_key(w, "bytes"), nb_jout_u64(w, f->size);
        nb_jout_key(w, "oid"), nb_jout_str(w, f->oid);
        nb_jout_key(w, "lfs"), nb_jout_bool(w, f->lfs);
        nb_jout_key(w, "security"), nb_jout_str(w, f->security);
        nb_jout_object_end(w);
    }
    nb_jout_array_end(w);
    nb_jout_key(w, "dropped"), nb_jout_u64(w, repo->dropped);
}
