#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/model/jinja.h"

static const char messages[] =
    "[{\"role\":\"system\",\"content\":\"be <b>brief</b>\"},"
    "{\"role\":\"user\",\"content\":\"hi {{ x }} \\u6f22\\ud83d\\ude42\\n\"},"
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"123456789\",\"function\":"
    "{\"name\":\"f\",\"arguments\":{\"a\":1,\"b\":[1.5,true]}}}]}]";

static nb_jinja_input *variables(void)
{
    nb_jinja_input *in = NULL;
    if (nb_jinja_input_open(&in, NULL) != NB_OK ||
        nb_jinja_put_json(in, "messages", messages, sizeof messages - 1, NB_JINJA_USER, NULL) !=
            NB_OK)
        abort();
    nb_jinja_put_str(in, "s", "Hello World", 11, NB_JINJA_USER);
    nb_jinja_put_str(in, "bos_token", "<s>", 3, NB_JINJA_TEMPLATE);
    nb_jinja_put_bool(in, "add_generation_prompt", true);
    nb_jinja_put_int(in, "i", -7);
    nb_jinja_put_float(in, "f", 0.1);
    nb_jinja_put_str(in, "bad", "a\xff\xc3", 3, NB_JINJA_USER);
    return in;
}

static nb_status render(const nb_jinja *t, const nb_jinja_input *in, nb_jinja_text *out)
{
    static const nb_jinja_clock now = {2026, 1, 31, 12, 0, 0};
    nb_err err = {.status = NB_OK};
    nb_status st = nb_jinja_render(t, in, &now, out, &err);
    size_t from = 0;
    fuzz_check(st == NB_OK || (err.status == st && !out->at), "failure without words");
    for (size_t i = 0; i < out->n_run; i++) {
        fuzz_check(out->run[i].end > from, "run %zu is empty", i);
        fuzz_check(i == 0 || out->run[i].owner != out->run[i - 1].owner, "run %zu is no other", i);
        from = out->run[i].end;
    }
    fuzz_check(from == out->len, "runs cover %zu of %zu bytes", from, out->len);
    fuzz_check(out->len <= 64 << 10, "%zu bytes", out->len);
    return st;
}

/* The template's text. What renders, renders the same again. */
FUZZ_TARGET(jinja)
{
    const nb_jinja_limits limits = {
        .steps = 20000, .memory = 1 << 20, .output = 64 << 10, .cpu_ms = 10000};
    nb_jinja *t = NULL;
    nb_err err = {.status = NB_OK};
    nb_status st = nb_jinja_open(&t, (const char *)bytes, n, "fuzz", &limits, &err);
    fuzz_check((st == NB_OK) == (t != NULL), "output without success");
    fuzz_check(st == NB_OK || (err.status == st && err.msg[0]), "failure without words");
    if (!t)
        return;
    nb_jinja_input *in = variables();
    nb_jinja_text once, twice;
    st = render(t, in, &once);
    fuzz_check(render(t, in, &twice) == st, "another outcome the second time");
    fuzz_check(once.len == twice.len && (!once.len || memcmp(once.at, twice.at, once.len) == 0),
               "another text the second time");
    nb_jinja_text_free(&once);
    nb_jinja_text_free(&twice);
    nb_jinja_input_close(&in);
    nb_jinja_close(&t);
}
