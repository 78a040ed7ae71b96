#include "tests/hub_shelf.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "tests/check.h"
#include "tests/tiny.h"
#include "tests/util.h"

static const char safetensors_header[] =
    "{\"model.embed_tokens.weight\":{\"dtype\":\"BF16\",\"shape\":[300,256],\"data_offsets\":"
    "[0,153600]},\"model.norm.weight\":{\"dtype\":\"BF16\",\"shape\":[256],\"data_offsets\":"
    "[153600,154112]}}    ";

static const char reed_card[] =
    "---\nlicense: apache-2.0\nbase_model: reed-lm/Reed-1M\n---\n# Reed 1M, quantized\n\n"
    "Random weights in three types, for **trials**.\n\n| file | bits | use |\n|---|---:|---|\n"
    "| Q4_0 | 4.5 | the smallest |\n| Q8_0 | 8.5 | hardly to be told from 16 bits |\n"
    "| F16 | 16 | the source |\n\n- runs anywhere\n- says *nothing* of sense\n\n```sh\n"
    "nibble pull reed-lm/Reed-1M-GGUF:Q8_0\n```\n\nSee [the source](/reed-lm/Reed-1M).\n";

/* Escape sequences, C1, bidi, zero width, tags; marks are added behind. */
#define ODD                                                                                        \
    "\x1b]52;c;aGk=\x07 \xc2\x9b"                                                                  \
    "31m \xe2\x80\xae"                                                                             \
    "evil \xe2\x80\x8b"                                                                            \
    "zero \xf3\xa0\x81\x81tag"

static void add_gguf(fake_repo *repo, const char *dir, const char *name, nk_type_id type,
                     uint64_t seed)
{
    char path[1024];
    nb_err err = {0};
    tiny t = tiny_default();
    t.type = type;
    t.seed = seed;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    tiny_write(path, &t, NULL);
    check(fake_repo_file(repo, &(fake_file){.path = name, .disk = path}, &err) == NB_OK, "%s",
          err.msg);
}

static void add_reed(fake_hub *hub, const char *dir)
{
    static const char *const tags[] = {"gguf", "license:apache-2.0", "base_model:reed-lm/Reed-1M",
                                       "base_model:quantized:reed-lm/Reed-1M", NULL};
    static const char *const source_tags[] = {"safetensors", "llama", "license:apache-2.0", NULL};
    fake_repo *repo = fake_hub_add(
        hub, &(fake_repo_info){.id = "reed-lm/Reed-1M-GGUF",
                               .tags = tags,
                               .pipeline_tag = "text-generation",
                               .downloads = 48122,
                               .likes = 310,
                               .trending = 9,
                               .gguf = "{\"total\":1100000,\"architecture\":\"llama\"}"});
    add_gguf(repo, dir, "Reed-1M-F16.gguf", NK_F16, 1);
    add_gguf(repo, dir, "Reed-1M-Q8_0.gguf", NK_Q8_0, 2);
    add_gguf(repo, dir, "Reed-1M-Q4_0.gguf", NK_Q4_0, 3);
    fake_repo_text(repo, "README.md", reed_card);
    repo = fake_hub_add(
        hub,
        &(fake_repo_info){.id = "reed-lm/Reed-1M",
                          .tags = source_tags,
                          .pipeline_tag = "text-generation",
                          .downloads = 1204,
                          .likes = 12,
                          .trending = 5,
                          .safetensors = "{\"parameters\":{\"BF16\":1100000},\"total\":1100000}"});
    fake_repo_text(repo, "config.json",
                   "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],"
                   "\"hidden_size\":256,\"intermediate_size\":512,\"num_hidden_layers\":2,"
                   "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"vocab_size\":300,"
                   "\"max_position_embeddings\":512,\"torch_dtype\":\"bfloat16\"}");
    nb_str head = {0};
    nb_err err = {0};
    uint64_t n = sizeof safetensors_header - 1;
    for (int i = 0; i < 8; i++)
        nb_str_addn(&head, &(char){(char)(n >> 8 * i & 255)}, 1);
    nb_str_addn(&head, safetensors_header, n);
    const fake_file weights = {.path = "model.safetensors",
                               .seed = 4,
                               .size = head.len + 154112,
                               .head = head.at,
                               .head_size = head.len};
    check(fake_repo_file(repo, &weights, &err) == NB_OK, "%s", err.msg);
    nb_str_free(&head);
}

static void add_lock(fake_hub *hub, const char *dir)
{
    static const char *const tags[] = {"gguf", "license:other", NULL};
    fake_hub_token(hub, &(fake_token){.token = SHELF_TOKEN, .role = "read"});
    fake_repo *repo = fake_hub_add(
        hub, &(fake_repo_info){.id = "lock-lm/Lock-1M-GGUF",
                               .tags = tags,
                               .downloads = 77,
                               .likes = 8,
                               .trending = 3,
                               .gated = FAKE_GATED_AUTO,
                               .gguf = "{\"total\":1100000,\"architecture\":\"llama\"}"});
    add_gguf(repo, dir, "Lock-1M-Q4_0.gguf", NK_Q4_0, 5);
    fake_repo_grant(repo, SHELF_TOKEN, FAKE_GRANTED);
}

static void add_odd(fake_hub *hub, const char *dir)
{
    static const char *const tags[] = {"gguf", "license:" ODD, "base_model:" ODD, NULL};
    fake_repo *repo = fake_hub_add(
        hub, &(fake_repo_info){.id = "odd-lm/Odd-1M-GGUF",
                               .tags = tags,
                               .pipeline_tag = ODD,
                               .downloads = 3,
                               .trending = 1,
                               .gguf = "{\"total\":1100000,\"architecture\":\"llama\"}"});
    nb_str card = {0};
    nb_str_add(&card, "# " ODD "\n\n| " ODD " | b |\n|---|---|\n| a | " ODD " |\n\ne");
    for (int i = 0; i < 10000; i++)
        nb_str_add(&card, "\xcc\x81");
    nb_str_add(&card, "\n\n[" ODD "](https://example.com/" ODD ")\n");
    fake_repo_text(repo, "README.md", card.at);
    nb_str_free(&card);
    add_gguf(repo, dir, "Odd-1M-Q4_0.gguf", NK_Q4_0, 6);
    fake_repo_text(repo, "x\x1b]52;c;aGk=\x07.txt", "x");
    fake_repo_text(repo,
                   "y\xe2\x80\xae"
                   "fugg.gguf",
                   "x");
}

fake_hub *shelf_start(const char *dir, uint64_t noise)
{
    fake_hub *hub = NULL;
    nb_err err = {0};
    check(nb_mkdirs(dir, &err) == NB_OK && fake_hub_start(&hub, NULL, &err) == NB_OK, "%s",
          err.msg);
    add_reed(hub, dir);
    add_lock(hub, dir);
    add_odd(hub, dir);
    if (noise) {
        fake_repo *repo = fake_hub_add(hub, &(fake_repo_info){.id = "slow-lm/Slow-GGUF"});
        fake_repo_noise(repo, "slow-Q4_0.gguf", noise, 7);
        fake_repo_noise(repo, "slow-Q8_0.gguf", noise, 8);
    }
    return hub;
}
