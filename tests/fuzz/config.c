#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/base/settings.h"

/* Any bytes as a settings file: every field stays in its range, and a setting written into the file
 * is what the file says from then on. */
FUZZ_TARGET(config)
{
    size_t count;
    const nb_setting *rows = nb_settings(&count);
    nb_config c = {0}, again = {0};
    nb_err err = {.status = NB_OK};
    nb_settings_reset(&c);
    nb_status status = nb_settings_read(&c, (const char *)bytes, n, "fuzz", &err);
    fuzz_check(status == NB_OK || err.msg[0], "failure without words");
    fuzz_check(c.threads >= 0 && c.ctx >= 0 && c.mouse >= -1 && c.mouse <= 1, "out of range");
    for (size_t i = 0; i < count; i++) {
        char value[128], back[128];
        nb_str text = {0};
        nb_config_get(&c, rows[i].name, value, sizeof value);
        nb_settings_edit(&text, (const char *)bytes, n, rows[i].name, value);
        nb_settings_reset(&again);
        nb_settings_read(&again, text.at, text.len, "fuzz", NULL);
        nb_config_get(&again, rows[i].name, back, sizeof back);
        fuzz_check(strcmp(value, back) == 0, "%s: wrote %s, read %s", rows[i].name, value, back);
        nb_str_free(&text);
    }
}
