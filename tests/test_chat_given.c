/* Settings of Chat given with the command: the P panel's rows, in the panel's words. */
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tests/util.h"
#include "tests/workbench.h"

CHECK_TEST(chat_given, settings_of_the_command_are_those_of_the_screen)
{
    static const ui_app_setting given[] = {
        {"temp", "0.5"},      {"top-k", "7"},      {"seed", "11"},  {"context", "96"},
        {"system", "Short."}, {"k-cache", "q8_0"}, {"shift", "on"}, {"draft", "lookup"},
        {"max", "5"},         {"flat", "on"}};
    workbench w = workbench_chat("size 160x40\nwait\nsave-screen ready\ntext hi\nkeys Enter\nwait\n"
                                 "keys Esc P\nsave-screen panel\n",
                                 given, countof(given));
    workbench_expect(&w, "ready", "temp 0.500");
    workbench_expect(&w, "ready", "seed 11 · top-k 7");
    workbench_expect(&w, "ready",
                     "max 5 · shift on · draft lookup · k-cache q8_0 · flat on · system: set");
    workbench_expect(&w, "ready", "ctx 0/96");
    workbench_expect(&w, "panel", "k-cache    q8_0");
    workbench_expect(&w, "panel", "v-cache    f16");
    workbench_expect(&w, "panel", "flat       on");
    workbench_expect(&w, "panel", "system     Short.");
    workbench_expect(&w, "panel", "5 tok  ");
    workbench_free(&w);
}

CHECK_TEST(chat_given, what_a_row_cannot_be_is_named)
{
    static const struct {
        ui_app_setting given;
        const char *says;
    } row[] = {
        {{"temp", "99"}, "temp: a number from 0 to 10"},
        {{"k-cache", "q9"}, "k-cache: \"q9\" is none of its words"},
        {{"answers", "40"}, "answers: a whole number from 1"},
        {{"tools", "/nowhere/tools.json"}, "tools: "},
        {{"colour", "red"}, "colour: no setting of Chat"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        workbench w = workbench_chat("size 120x40\nwait\nsave-screen said\n", &row[i].given, 1);
        workbench_expect(&w, "said", row[i].says);
        workbench_free(&w);
    }
}

/* Typed in the panel: the model is loaded anew, with what is wrong said where it stands. */
CHECK_TEST(chat_given, the_panel_takes_cache_types_and_an_adapter)
{
    workbench w = workbench_chat("size 120x40\nwait\nkeys Esc P End k k k k Enter\nwait\n"
                                 "save-screen cache\nkeys j j j Enter\ntext /nowhere/a.gguf\n"
                                 "keys Enter Esc\nwait\nsave-screen lora\n",
                                 NULL, 0);
    workbench_expect(&w, "cache", "k-cache    bf16");
    workbench_expect(&w, "lora", "lora a.gguf");
    workbench_expect(&w, "lora", "/nowhere/a.gguf");
    workbench_free(&w);
}
