/* Files: read-only mappings, whole reads, positioned writes that finish or fail, atomic
 * replacement, free space, identity. Only regular files are opened (never a FIFO or device);
 * everything is O_CLOEXEC. */
#ifndef NIBBLE_FILE_H
#define NIBBLE_FILE_H

#include "kernels/nb.h"

/* A read-only mapping of a whole file. len 0 gives at == NULL. The mapping survives renames and
 * unlinks. If the file shrinks while mapped, reading past its end raises SIGBUS; the guard of
 * nb_map_guard_install turns that into zeros and a flag (reliability A19). */
typedef struct nb_map {
    const uint8_t *at; /* owned mapping */
    uint64_t len;
    uint64_t dev, ino;
    int64_t mtime_ns;
    int fd;        /* owned when at is set: tells whether the file is still what was mapped */
    unsigned slot; /* of the guard's table, when at is set */
} nb_map;

nb_status nb_map_open(nb_map *out, const char *path, nb_err *err);
void nb_map_close(nb_map *m);

/* Installs a SIGBUS handler (at start-up, after any other handler of SIGBUS) that maps zero pages
 * over a fault inside any open nb_map and marks that map lost. Every other SIGBUS goes to the
 * handler that was there before. At most 1,024 maps are open at once. */
void nb_map_guard_install(void);
/* Asks for n bytes at `at`, inside an open nb_map, to be brought from disk while other work is
 * done. Only a hint: nothing is promised, no error is reported. */
void nb_map_ahead(const void *at, uint64_t n);
/* Says that n bytes at `at`, inside an open nb_map, are not wanted again soon: where memory runs
 * short they go before all else, where it does not they stay. Only a hint. */
void nb_map_behind(const void *at, uint64_t n);
/* n bytes at `at`, all inside an open nb_map, read from its file into out: for one walk over much
 * that is not come back to. What lies in memory is read at less cost where it is mapped
 * (nb_map_present); what comes from disk comes this way in longer runs. Where the file does not
 * give all of it any more what is missing is zero, maybe more, and the map lost; memory that no
 * nb_map holds is copied. False: some had to be waited for. */
bool nb_map_read(const void *at, size_t n, void *out);
/* Whether n >= 1 bytes at `at`, inside an open nb_map, seem to be in memory, by a look at one in so
 * many pages: then reading them there costs no wait. False where no nb_map holds them or the system
 * does not tell. */
bool nb_map_present(const void *at, uint64_t n);
/* Enters n >= 1 bytes at `at`, inside an open nb_map, into the page tables if they seem to be in
 * memory: who reads them next is not stopped by that. A look at the first and the last byte decides
 * for all, so not for much at once. */
void nb_map_enter(const void *at, uint64_t n);
/* True when the contents can no longer be believed: a fault was served inside m, or the file was
 * cut or written to since it was mapped, even within its last page. One fstat. */
bool nb_map_lost(const nb_map *m);

/* The whole file as malloc'd bytes + one NUL. Refuses more than `limit` bytes with both numbers. */
nb_status nb_file_read(char **out, size_t *len, const char *path, uint64_t limit, nb_err *err);
/* All n bytes at offset, EINTR and short counts handled. path is for the message. */
nb_status nb_pwrite_all(int fd, const void *bytes, size_t n, uint64_t offset, const char *path,
                        nb_err *err);
nb_status nb_pread_all(int fd, void *bytes, size_t n, uint64_t offset, const char *path,
                       nb_err *err);
/* Blocks for n bytes of a new file, taken now. A file system that cannot do it says nothing:
 * glibc's posix_fallocate would write into every block there, for as long as that takes. Nor is
 * more than 64 MiB taken of a file system in memory (tmpfs): one thread would clear page after
 * page for as long as all threads then take to write them. */
nb_status nb_reserve(int fd, uint64_t n, const char *path, nb_err *err);
/* Asks the system to begin writing these bytes to disk, so that a later fsync finds little left.
 * Only a hint: nothing is promised, no error is reported. */
void nb_write_behind(int fd, uint64_t offset, uint64_t n);
/* Returns when these bytes have been handed to the disk. No fsync: sizes and the disk's own cache
 * are still to come. Does nothing where the system has no such call. */
nb_status nb_write_out(int fd, uint64_t offset, uint64_t n, const char *path, nb_err *err);
/* path = old content or new content, never a third: temp file beside it, write, fsync, rename,
 * fsync of the folder. mode 0 = that of the file replaced, for a new one 0666 & ~umask. A symlink
 * stays: the file it names is replaced. On failure the temp file is gone; NB_IO from the last step
 * means the new content stands but may not outlive a power cut. */
nb_status nb_replace_file(const char *path, const void *bytes, size_t n, unsigned mode,
                          nb_err *err);
/* fsync(fd), close it, rename from -> to, fsync the folder: the last step of a resumable writer. fd
 * is closed in any case; on failure `from` is left to the caller. */
nb_status nb_publish_file(int fd, const char *from, const char *to, nb_err *err);
/* Unlinks it and fsyncs the folder; one that is not there is fine. */
nb_status nb_remove_file(const char *path, nb_err *err);
/* Appends one record and fsyncs. Creates the file (0600) when absent. What a failure wrote of the
 * record is cut off again. */
nb_status nb_append_file(const char *path, const void *bytes, size_t n, nb_err *err);

/* Bytes a writer may still use in the folder of path (or the nearest one above that exists), after
 * the reserve (1 % of the disk, at most 1 GiB, reliability 3). */
nb_status nb_free_space(const char *path, uint64_t *bytes, nb_err *err);
/* NB_NOSPACE naming the bytes missing when `need` does not fit beside path. */
nb_status nb_need_space(const char *path, uint64_t need, nb_err *err);
/* Same inode behind both names (symlinks followed); false when either does not exist. */
bool nb_same_file(const char *a, const char *b);
bool nb_exists(const char *path);
bool nb_is_dir(const char *path);
nb_status nb_mkdirs(const char *path, nb_err *err);
/* dir + "/" + name into out; false when it does not fit. */
bool nb_path_join(char *out, size_t cap, const char *dir, const char *name);
/* Last component, borrowed from path. */
const char *nb_path_base(const char *path);
/* Whether name ends with suffix; case of ASCII letters ignored. */
bool nb_has_suffix(const char *name, const char *suffix);

#endif
