#include "tests/demo_model.h"

#include "tests/check.h"
#include "tests/util.h"

#include "core/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *demo_model(const char *name, const char *template)
{
    static const char *const same[] = {"config.json", "generation_config.json", "model.safetensors",
                                       "special_tokens_map.json", "tokenizer.model"};
    const char *dir = test_path(test_tmpdir(), name);
    char from[1024], to[1024];
    size_t n;
    nb_str out = {0};
    mkdir(dir, 0700);
    for (size_t i = 0; i < countof(same); i++) {
        snprintf(from, sizeof from, "%s/%s", test_data("nibble-demo"), same[i]);
        snprintf(to, sizeof to, "%s/%s", dir, same[i]);
        check(access(to, F_OK) == 0 || symlink(from, to) == 0, "%s", to);
    }
    snprintf(from, sizeof from, "%s/tokenizer_config.json", test_data("nibble-demo"));
    char *config = test_slurp(from, &n),
         *key = config ? strstr(config, "\"chat_template\": ") : NULL;
    check(key, "%s has no chat_template", from);
    char *value = key + strlen("\"chat_template\": "), *end = strstr(value, "\",\n");
    check(end, "%s", value);
    nb_str_addn(&out, config, (size_t)(value - config));
    nb_jout w = nb_jout_make(&out);
    nb_jout_str(&w, template);
    nb_str_add(&out, end + 1);
    snprintf(to, sizeof to, "%s/tokenizer_config.json", dir);
    test_spit(to, out.at, out.len);
    nb_str_free(&out);
    free(config);
    return dir;
}
