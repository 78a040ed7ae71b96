/* hub 21: which files of a repository a wish means, from their names alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/hub.h"
#include "tests/check.h"

typedef struct fixture {
    dl_repo repo;
    dl_choices choices;
} fixture;

/* names: sorted, NULL-terminated; the n-th file has n * 1,000 bytes. */
static fixture make(const char *const *names)
{
    fixture f = {.repo = {.model = {.id = "org/model"}}};
    nb_err err;
    while (names[f.repo.n_file])
        f.repo.n_file++;
    f.repo.file = calloc(f.repo.n_file + 1, sizeof *f.repo.file);
    for (size_t i = 0; i < f.repo.n_file; i++) {
        check(i == 0 || strcmp(names[i - 1], names[i]) < 0, "%s is out of order", names[i]);
        f.repo.file[i] = (dl_file){.path = names[i], .size = (i + 1) * 1000};
    }
    check(dl_choices_make(&f.repo, &f.choices, &err) == NB_OK, "%s", err.msg);
    return f;
}

static void drop(fixture *f)
{
    dl_choices_free(&f->choices);
    free(f->repo.file);
}

static const dl_choice *named(const fixture *f, const char *name)
{
    size_t i = 0;
    while (i < f->choices.n && strcmp(f->choices.at[i].name, name) != 0)
        i++;
    check(i < f->choices.n, "no choice is called %s", name);
    return &f->choices.at[i];
}

/* tag picks the choice called want; want NULL: fails with status, the message holding words. */
static void expect(const fixture *f, const char *tag, const char *want, nb_status status,
                   const char *words)
{
    const dl_choice *c = NULL;
    nb_err err = {.status = NB_OK};
    nb_status st = dl_pick(&f->repo, &f->choices, tag, &c, &err);
    const char *shown = tag ? tag : "(none)";
    if (want) {
        check(st == NB_OK, "%s: %s", shown, err.msg);
        check(strcmp(c->name, want) == 0, "%s: %s", shown, c->name);
    } else {
        check(st == status, "%s: %d %s", shown, st, err.msg);
        check(strstr(err.msg, words), "%s: %s", shown, err.msg);
    }
}

CHECK_TEST(pick, quants_are_named_by_their_whole_token)
{
    static const char *const names[] = {"README.md",
                                        "config.json",
                                        "m-7b-BF16.gguf",
                                        "m-7b-IQ2_XXS.gguf",
                                        "m-7b-Q4_0_4_4.gguf",
                                        "m-7b-Q4_K_M.gguf",
                                        "m-7b-UD-Q4_K_XL.gguf",
                                        "m-7b.Q8_0.gguf",
                                        "m-7b.imatrix.gguf",
                                        "mmproj-m-7b-f16.gguf",
                                        NULL};
    fixture f = make(names);
    expect(&f, "q4_k_m", "Q4_K_M", NB_OK, NULL);
    expect(&f, "Q8_0", "Q8_0", NB_OK, NULL);
    expect(&f, "bf16", "BF16", NB_OK, NULL);
    expect(&f, "iq2_xxs", "IQ2_XXS", NB_OK, NULL);
    expect(&f, "UD-Q4_K_XL", "UD-Q4_K_XL", NB_OK, NULL);
    expect(&f, "Q4_K_XL", NULL, NB_NOTFOUND, "no Q4_K_XL here");
    expect(&f, "Q4_K", NULL, NB_NOTFOUND, "Q4_K_M");
    expect(&f, "Q4", NULL, NB_NOTFOUND, "no Q4 here");
    expect(&f, "m-7b-Q4_K_M.gguf", "Q4_K_M", NB_OK, NULL);
    expect(&f, "config.json", "config.json", NB_OK, NULL);
    expect(&f, "mmproj-F16", "mmproj-f16", NB_OK, NULL);
    expect(&f, NULL, "Q4_K_M", NB_OK, NULL); /* several: what llama.cpp takes */
    expect(&f, "", "Q4_K_M", NB_OK, NULL);
    check(named(&f, "m-7b.imatrix.gguf")->kind == DL_CHOICE_FILE, "an imatrix is no model");
    check(dl_pick_mmproj(&f.repo, &f.choices, named(&f, "Q8_0")) == named(&f, "mmproj-f16"),
          "its projector");
    drop(&f);
}

/* Underscores part names as often as dashes, and are in quants' own names. */
CHECK_TEST(pick, quants_behind_underscores_are_found)
{
    static const char *const names[] = {"model_7b_Q4_K_M.gguf", "model_7b_q8_0.gguf",
                                        "model_IQ4_XS.gguf",    "model_f16.gguf",
                                        "model_q_4.gguf",       NULL};
    fixture f = make(names);
    expect(&f, "Q4_K_M", "Q4_K_M", NB_OK, NULL);
    expect(&f, "Q8_0", "q8_0", NB_OK, NULL);
    expect(&f, "iq4_xs", "IQ4_XS", NB_OK, NULL);
    expect(&f, "F16", "f16", NB_OK, NULL);
    expect(&f, "K_M", NULL, NB_NOTFOUND, "no K_M here");
    expect(&f, "model_q_4", "model_q_4", NB_OK, NULL); /* none: called by its own name */
    drop(&f);
}

CHECK_TEST(pick, shards_are_one_choice_and_a_gap_is_refused)
{
    static const char *const names[] = {
        "Q4_K_M/big-00001-of-00003.gguf",        "Q4_K_M/big-00002-of-00003.gguf",
        "Q4_K_M/big-00003-of-00003.gguf",        "Q5_K_M/big-Q5_K_M-00001-of-00003.gguf",
        "Q5_K_M/big-Q5_K_M-00003-of-00003.gguf", "Q6_K/big-Q6_K-00002-of-00002.gguf",
        "Q8_0/big-Q8_0-00001-of-00002.gguf",     NULL};
    fixture f = make(names);
    expect(&f, "Q4_K_M", "Q4_K_M", NB_OK, NULL);
    const dl_choice *c = named(&f, "Q4_K_M"); /* named by its folder alone */
    check(c->n_file == 3 && c->bytes == 6000 && c->file[0] == 0 && c->file[2] == 2, "%zu files, %d",
          c->n_file, (int)c->bytes);
    expect(&f, "Q5_K_M", NULL, NB_FORMAT, "part 2 of 3 is not in the repository");
    expect(&f, "Q6_K", NULL, NB_FORMAT, "part 1 of 2");
    expect(&f, "Q8_0", NULL, NB_FORMAT, "part 2 of 2");
    expect(&f, "Q4_K_M/big-00002-of-00003.gguf", "Q4_K_M", NB_OK, NULL); /* sets come whole */
    drop(&f);
}

CHECK_TEST(pick, ambiguity_names_the_candidates)
{
    static const char *const names[] = {"a/model-Q4_K_M.gguf", "b/model-Q4_K_M.gguf",
                                        "other-IQ4_NL.gguf", NULL};
    fixture f = make(names);
    expect(&f, "Q4_K_M", NULL, NB_USAGE, "a/model-Q4_K_M.gguf, b/model-Q4_K_M.gguf");
    expect(&f, "model-Q4_K_M.gguf", NULL, NB_USAGE, "several files fit");
    expect(&f, "b/model-Q4_K_M.gguf", "Q4_K_M", NB_OK, NULL);
    expect(&f, NULL, NULL, NB_USAGE, "several models, name one: a/model-Q4_K_M.gguf");
    drop(&f);
    static const char *const none[] = {"README.md", "pytorch_model.bin", NULL};
    f = make(none);
    expect(&f, NULL, NULL, NB_NOTFOUND, "holds no GGUF and no safetensors model");
    expect(&f, "pytorch_model.bin", "pytorch_model.bin", NB_OK, NULL); /* asked for by name */
    drop(&f);
    static const char *const one[] = {"some thing.gguf", NULL};
    f = make(one);
    expect(&f, NULL, "some thing", NB_OK, NULL);
    drop(&f);
}

CHECK_TEST(pick, a_checkpoint_brings_config_and_tokenizer)
{
    static const char *const names[] = {"LICENSE",
                                        "README.md",
                                        "config.json",
                                        "consolidated.safetensors",
                                        "generation_config.json",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors",
                                        "model.safetensors.index.json",
                                        "onnx/model.onnx",
                                        "original/model.safetensors",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        NULL};
    fixture f = make(names);
    expect(&f, NULL, "safetensors", NB_OK, NULL);
    const dl_choice *c = named(&f, "safetensors");
    static const char *const want[] = {"README.md",
                                       "config.json",
                                       "generation_config.json",
                                       "model.safetensors.index.json",
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "model-00001-of-00002.safetensors",
                                       "model-00002-of-00002.safetensors"};
    check(c->n_file == countof(want), "%zu files", c->n_file);
    for (size_t i = 0; i < countof(want); i++)
        check(strcmp(names[c->file[i]], want[i]) == 0, "%zu: %s", i, names[c->file[i]]);
    expect(&f, "tokenizer.json", "tokenizer.json", NB_OK, NULL); /* one file alone, if asked */
    drop(&f);
    static const char *const gap[] = {"config.json", "model-00001-of-00002.safetensors", NULL};
    f = make(gap);
    expect(&f, "safetensors", NULL, NB_FORMAT, "part 2 of 2");
    drop(&f);
    static const char *const adapter[] = {"adapter_model.safetensors", "config.json", NULL};
    f = make(adapter);
    expect(&f, NULL, NULL, NB_NOTFOUND, "holds no");
    drop(&f);
}

CHECK_TEST(pick, projectors_are_taken_from_the_nearest_folder)
{
    static const char *const names[] = {"12b/m-Q4_K_M.gguf", "12b/mmproj-F16.gguf",
                                        "27b/m-Q5_K_M.gguf", "mmproj-F32.gguf", NULL};
    fixture f = make(names);
    check(dl_pick_mmproj(&f.repo, &f.choices, named(&f, "Q4_K_M")) == named(&f, "mmproj-F16"),
          "its own folder first");
    check(dl_pick_mmproj(&f.repo, &f.choices, named(&f, "Q5_K_M")) == named(&f, "mmproj-F32"),
          "then the root");
    drop(&f);
}

/* Every file of a large repository sits in one hostile set: grouping must stay n log n. */
CHECK_TEST(pick, many_files_take_no_time)
{
    enum { N = 60000 };
    fixture f = {.repo = {.model = {.id = "org/model"}, .n_file = N}};
    char(*name)[40] = malloc(N * sizeof *name);
    f.repo.file = calloc(N, sizeof *f.repo.file);
    for (size_t i = 0; i < N; i++) {
        snprintf(name[i], sizeof name[i], "m-%05zu-of-%05d.gguf", i + 1, 99999);
        f.repo.file[i] = (dl_file){.path = name[i], .size = 1};
    }
    check(dl_choices_make(&f.repo, &f.choices, NULL) == NB_OK, "refused");
    check(f.choices.n == 1 && f.choices.at[0].n_file == N, "%zu choices", f.choices.n);
    expect(&f, NULL, NULL, NB_FORMAT, "part 60001 of 99999");
    drop(&f);
    free(name);
}
