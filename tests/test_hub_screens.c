/* The screens of the Hub: its list on Models, a repository, downloads, the account and the first
 * start, held against goldens and looked at for cut words (tui 2), on a fake Hub whose shelf is the
 * same in every run. */
#include "tests/check.h"
#include "tests/hub_shelf.h"
#include "tests/stage.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What could lead elsewhere than to the fake Hub; a test's own process ends with it or not, so all
 * of it is put back. */
static const char *const names[] = {"HF_ENDPOINT",
                                    "HF_HOME",
                                    "HF_TOKEN",
                                    "HUGGING_FACE_HUB_TOKEN",
                                    "HF_TOKEN_PATH",
                                    "HF_HUB_CACHE",
                                    "HF_HUB_OFFLINE",
                                    "TRANSFORMERS_OFFLINE",
                                    "http_proxy",
                                    "HTTP_PROXY",
                                    "all_proxy",
                                    "ALL_PROXY",
                                    "HF_HUB_DOWNLOAD_TIMEOUT",
                                    "HF_HUB_ETAG_TIMEOUT"};
static char *before[countof(names)];

static fake_hub *begin(stage *s, const char *name)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s", test_path(test_tmpdir(), name));
    fake_hub *hub = shelf_start(test_path(dir, "shelf"), 0);
    for (size_t i = 0; i < countof(names); i++) {
        const char *was = getenv(names[i]);
        before[i] = was ? strdup(was) : NULL;
        unsetenv(names[i]);
    }
    setenv("HF_ENDPOINT", fake_hub_origin(hub, FAKE_HUB), 1);
    setenv("HF_HOME", "../hf", 1);
    stage_begin(s, name, NULL);
    s->opt.offline = false;
    strcpy(s->cfg.hf_hub, "../hf/hub");
    return hub;
}

static void end(fake_hub *hub)
{
    for (size_t i = 0; i < countof(names); i++) {
        if (before[i])
            setenv(names[i], before[i], 1);
        else
            unsetenv(names[i]);
        free(before[i]);
    }
    fake_hub_stop(&hub);
}

CHECK_TEST(hub_screens, tui_2_they_match_their_goldens)
{
    stage s;
    fake_hub *hub = begin(&s, "hub");
    stage_goldens(&s, "hub");
    stage_leave();
    end(hub);
}

CHECK_TEST(hub_screens, tui_2_they_cut_no_word)
{
    stage s;
    fake_hub *hub = begin(&s, "layout-hub");
    stage_whole_words(&s, "hub");
    end(hub);
}
