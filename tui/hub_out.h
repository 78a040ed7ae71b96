/* What a repository of the Hub looks like as JSON: one writer for the commands and for the screens'
 * own JSON, so that both tell the same numbers (tui 29). Also its short texts. */
#ifndef NIBBLE_HUB_OUT_H
#define NIBBLE_HUB_OUT_H

#include "core/base/json.h"
#include "core/quant/fit.h"
#include "downloads/hub.h"

/* "2M", "500K", "1.5G" (decimal units) -> bytes; false when it is no size. */
bool ui_parse_size(const char *text, uint64_t *out);
/* "1.7B", "~7.0B" (from the name), "?". */
const char *ui_hub_params(char out[16], const dl_model *m);
/* "12k", "1.2M", "?" for -1. */
const char *ui_hub_count(char out[16], int64_t n);
/* "auto", "manual", "false": the Hub's own words. */
const char *ui_hub_gate(dl_gate g);

/* Bits per weight of a choice: entry's parameters (NULL or none: the Hub's); 0 = unknown. */
double ui_hub_bpw(const dl_repo *repo, const nb_entry *e, const dl_choice *c);
/* The memory figure of a choice; false when the entry does not tell the model's shape. ctx is
 * capped at the model's own. */
bool ui_hub_fit(const nb_entry *e, const dl_choice *c, uint32_t ctx, bool kv_f32,
                uint64_t available, nb_fit *out);

/* One search row: id, author, commit, task, library, license, base_model, base_relation, gated,
 * private, gguf, downloads, likes, updated, params, params_guessed, bytes. */
void ui_hub_json_model(nb_jout *w, const dl_model *m);
/* choices[] with name, kind, bytes, bpw, complete, files[], fit {}; files[] with path, bytes, oid,
 * lfs, security. e may be NULL: then no bpw from the files and no fit. */
void ui_hub_json_repo(nb_jout *w, const dl_repo *repo, const dl_choices *choices, const nb_entry *e,
                      uint32_t ctx, bool kv_f32, uint64_t available);
const char *ui_hub_kind(dl_choice_kind k); /* "checkpoint", "gguf", "mmproj", "file" */

#endif
