/* cpu, ram and free disk for the tab row. Read every few seconds: an idle workbench writes next to
 * nothing (tui 10). Scripted runs show fixed values. */
#include "tui/app_private.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"

static const double EVERY = 4; /* seconds between readings */

/* First line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks. */
static bool cpu_ticks(uint64_t *busy, uint64_t *idle)
{
    char text[512];
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n < 5 || memcmp(text, "cpu ", 4) != 0)
        return false;
    text[n] = '\0';
    uint64_t field[8] = {0};
    const char *s = text + 4;
    for (size_t i = 0; i < countof(field); i++) {
        while (*s == ' ')
            s++;
        while (*s >= '0' && *s <= '9')
            field[i] = field[i] * 10 + (uint64_t)(*s++ - '0');
    }
    *idle = field[3] + field[4];
    *busy = field[0] + field[1] + field[2] + field[5] + field[6] + field[7];
    return true;
}

static void read_cpu(app_meters *m)
{
    uint64_t busy, idle;
    if (!cpu_ticks(&busy, &idle))
        return;
    uint64_t db = busy - m->busy, all = db + idle - m->idle;
    bool first = m->busy == 0;
    m->busy = busy;
    m->idle = idle;
    if (first || all == 0)
        return;
    memmove(m->cpu, m->cpu + 1, sizeof m->cpu - sizeof m->cpu[0]);
    m->cpu[countof(m->cpu) - 1] = (int)((100 * db + all / 2) / all);
}

bool ui_app_meters_read(ui_app *app)
{
    app_meters *m = &app->meters;
    double now = nb_now();
    uint64_t available;
    if (m->at >= 0 && now - m->at < EVERY)
        return false;
    bool first = m->at < 0;
    m->at = now;
    if (ui_app_scripted(app)) {
        const app_meters fixed = {.at = now,
                                  .cpu = {30, 60, 20, 41},
                                  .ram_used = 8000000000,
                                  .ram_total = 16000000000,
                                  .disk_free = 100000000000};
        *m = fixed;
        return first;
    }
    read_cpu(m);
    nb_memory(&available, &m->ram_total);
    m->ram_used = m->ram_total > available ? m->ram_total - available : 0;
    if (nb_free_space(app->cfg.data_dir, &m->disk_free, NULL) != NB_OK &&
        nb_free_space("/", &m->disk_free, NULL) != NB_OK)
        m->disk_free = 0;
    return true;
}
